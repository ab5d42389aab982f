/* SPDX-License-Identifier: MIT */
/* run.h - the options of "uhmm run", shared between its files. */
#ifndef UHMM_RUN_H
#define UHMM_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

#define RUN_MAX_DEVICES 16

struct run_options {
	uint64_t ram;	      /* bytes, whole pages */
	bool resident;	      /* @ram limits the program's pages alone */
	uint64_t default_mib; /* size of the default device */
	char default_device[32];
	uint64_t min_size; /* bytes */
	const char *devices[RUN_MAX_DEVICES];
	size_t nr_devices;
	enum uhmm_fault_mode mode;
	const char *mode_name;
	const char *features_off; /* NULL: none */
	bool follow_fork;
	bool shared;	  /* shared anonymous memory is managed */
	bool per_process; /* each child has its own limit */
	bool calls;	  /* faults of system calls will not be served */
	bool rings;	  /* io_uring(7) is allowed on managed memory */
	bool wants_summary;
	const char *summary; /* NULL: standard error */
	char **program;
};

/* ---- run-space.c ---- */

/*
 * The most bytes that RLIMIT_AS and RLIMIT_DATA leave to a process; 0: neither
 * is set.  *@ret_what, unless @ret_what is NULL: the name of the limit.
 */
uint64_t run_space(const char **ret_what);

/* ---- run-budget.c ---- */

#define RUN_BUDGET_PATH 64

/* Make the file of a budget, in memory if there is a tmpfs. */
int run_make_budget(uint64_t bytes, char path[RUN_BUDGET_PATH]);

/* ---- run-options.c: each complains itself and returns an exit status --- */

/* -1: go on; else the exit status. */
int run_parse(int argc, char **argv, struct run_options *o);
/* Make a zram device of @o->default_mib the only device. */
void run_set_default_device(struct run_options *o);

/* ---- run-check.c ------------------------------------------------------- */

/* Do the devices open in a context like the program's?  Sets @o->calls. */
int run_check_devices(struct run_options *o);
/* Make the path of the summary absolute.  Fails if it is not writable. */
int run_check_summary(struct run_options *o);

/* ---- run-preload.c ----------------------------------------------------- */

/* Find the library to preload.  Fails if the dynamic linker refuses it. */
int run_find_preload(char path[PATH_MAX]);

#endif
