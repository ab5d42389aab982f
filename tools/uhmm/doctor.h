/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what "uhmm doctor" looks at.  Each part prints lines, by say(),
 * and returns nothing: there is always something to say.
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
 * One line: how it is, about what, and what is so; and one below it with what
 * would mend it, if @mend is not NULL.
 */
__attribute__((format(printf, 3, 5))) void finding(enum finding how,
						   const char *what,
						   const char *text,
						   const char *mend, ...);

/* The privileges to serve faults and to hear of forks. */
void doctor_privilege(void);
/* What the kernel offers, in use or not. */
void doctor_features(void);
/* Container, seccomp, cgroup, number of mappings. */
void doctor_surroundings(void);
/* The library to preload; devices. */
void doctor_providers(void);

/* Of a file of one line; "" if it cannot be read. */
void read_line(const char *path, char *ret, int len);
/* What follows @key in a file, as "CapEff:" in /proc/self/status. */
bool read_field(const char *path, const char *key, char *ret, int len);

#endif
