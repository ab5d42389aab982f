/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - the parts of "uhmm doctor".
 *
 * Each part prints at least one line, by finding().
 */
#ifndef UHMM_DOCTOR_H
#define UHMM_DOCTOR_H

#include <stdbool.h>

enum finding {
	FINE,
	SLOW,	 /* works, but could be better */
	MISSING, /* does not work */
};

/*
 * Print a line with the state @how, the subject @what, and @text.  If @mend is
 * not NULL a second line says what would improve it.
 */
__attribute__((format(printf, 3, 5))) void finding(enum finding how,
						   const char *what,
						   const char *text,
						   const char *mend, ...);

/* The privileges to serve faults and to get events of forks. */
void doctor_privilege(void);
/* The features that the kernel offers, in use or not. */
void doctor_features(void);
/* The kernel module: loaded, or possible on this kernel. */
void doctor_kernel_module(void);
/* Container, seccomp, cgroup, number of mappings. */
void doctor_surroundings(void);
/* The preload library, providers and their devices. */
void doctor_providers(void);

/* Read the first line of a file; "" if it cannot be read. */
void read_line(const char *path, char *ret, int len);
/* Read the text after @key in a file: after "CapEff:", say. */
bool read_field(const char *path, const char *key, char *ret, int len);

#endif
