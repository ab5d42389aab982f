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
	bool resident;	 /* @ram limits the program's pages alone */
	uint32_t flags;	 /* for the context: enum uhmm_open_flags */
	size_t min_size; /* the smallest mapping that is managed */
	enum uhmm_fault_mode mode;
	bool follow_fork;
	bool shared;	     /* shared anonymous memory is managed */
	bool calls;	     /* faults of the kernel will not be served */
	bool rings;	     /* io_uring(7) is allowed on managed memory */
	const char *devices; /* separated by line breaks */
	const char *features_off;
	const char *budget;  /* a path, or NULL: a limit of its own */
	const char *summary; /* NULL: none; "-": standard error */
	pid_t pid;	     /* the process that writes the summary */
};

extern struct settings settings;

void settings_read(void);
/* The process limit (RLIMIT_AS, say) that explains @err, or "". */
const char *settings_space(int err);

/* ---- budget.c: the limit, which others may share ------------------------ */

struct uhmm_budget;
struct uhmm_budget_info;

void budget_init(void);
/* The shared budget for a new context; NULL: this process has its own limit. */
struct uhmm_budget *budget_get(void);
/* May the program have @bytes of unmanaged memory? */
bool budget_allows(uint64_t bytes);
/*
 * In a forked child with @bytes of memory.  @was_managed: the parent had a
 * context; the child has none yet.
 */
void budget_forked(uint64_t bytes, bool was_managed);
/* The program installs a filter of system calls.  @forbids: some of ours too */
void budget_filtered(bool forbids);
/* The process that "uhmm run" became ends. */
void budget_exit(void);
bool budget_query(struct uhmm_budget_info *ret);

#endif
