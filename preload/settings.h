/* SPDX-License-Identifier: MIT */
/* settings.h - what "uhmm run" asked for, and the limit that others share */
#ifndef UHMM_PRELOAD_SETTINGS_H
#define UHMM_PRELOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uhmm/uhmm.h>

/* ---- settings.c: what "uhmm run" asked for ------------------------------ */

struct settings {
	uint64_t ram;	 /* 0: nothing is managed */
	bool resident;	 /* it is for the program's pages alone */
	uint32_t flags;	 /* of the context, as these say */
	size_t min_size; /* least mapping to manage */
	enum uhmm_fault_mode mode;
	bool follow_fork;
	bool calls;	     /* the kernel's faults will not be served */
	bool rings;	     /* io_uring(7) works on memory that moves */
	const char *devices; /* separated by line breaks */
	const char *features_off;
	const char *budget;  /* a path, or NULL: a limit of its own */
	const char *summary; /* NULL: none; "-": standard error */
	pid_t pid;	     /* the process that writes the summary */
};

extern struct settings settings;

void settings_read(void);
/* After @err: which limit of the process is the reason, or "". */
const char *settings_space(int err);

/* ---- budget.c: the limit, which others may share ------------------------ */

struct uhmm_budget;
struct uhmm_budget_info;

void budget_init(void);
/* For a context; NULL: the limit is this process's own. */
struct uhmm_budget *budget_get(void);
/* May so many bytes be there without being managed? */
bool budget_allows(uint64_t bytes);
/* A child has so many; its parent was managed, and it is not, yet. */
void budget_forked(uint64_t bytes, bool was_managed);
/* The program gets a filter of system calls, which forbids some of ours. */
void budget_filtered(bool forbids);
/* The first process ends. */
void budget_exit(void);
bool budget_query(struct uhmm_budget_info *ret);

#endif
