/* SPDX-License-Identifier: MIT */
/*
 * run.h - what "uhmm run" was asked for, between its files.
 */
#ifndef UHMM_RUN_H
#define UHMM_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

#define RUN_MAX_DEVICES 16

struct run_options {
	uint64_t ram;	      /* bytes, whole pages */
	bool resident;	      /* for the program's pages alone */
	uint64_t default_mib; /* of the device, where none was given */
	char default_device[32];
	uint64_t min_size; /* bytes */
	const char *devices[RUN_MAX_DEVICES];
	size_t nr_devices;
	enum uhmm_fault_mode mode;
	const char *mode_name;
	const char *features_off; /* NULL: none */
	bool follow_fork;
	bool per_process; /* each has the limit for itself */
	bool calls;	  /* faults of system calls will not be served */
	bool rings;	  /* io_uring(7) works on memory that moves */
	bool wants_summary;
	const char *summary; /* NULL: standard error */
	char **program;
};

/* ---- run-space.c ---- */

/*
 * Bytes that are the most a process may have, by RLIMIT_AS or RLIMIT_DATA; 0:
 * there is no such limit.  @ret_what: NULL, or which of them.
 */
uint64_t run_space(const char **ret_what);

/* ---- run-budget.c ---- */

#define RUN_BUDGET_PATH 64

/* Make a file of a budget, in memory where there is such a place. */
int run_make_budget(uint64_t bytes, char path[RUN_BUDGET_PATH]);

/* ---- run-options.c: each complains itself and returns an exit status --- */

/* -1: go on; anything else: exit with it. */
int run_parse(int argc, char **argv, struct run_options *o);
/* The only device is zram, of @o->default_mib. */
void run_set_default_device(struct run_options *o);

/* ---- run-check.c ------------------------------------------------------- */

/* Would the devices open, in a context such as the program will have?  Sets
 * @o->calls. */
int run_check_devices(struct run_options *o);
/* Make the path absolute, and sure that it can be written. */
int run_check_summary(struct run_options *o);
/* The library to preload. */
int run_find_preload(char path[PATH_MAX]);

#endif
