// SPDX-License-Identifier: MIT
/*
 * uhmm run: check everything, set the environment that the preload library
 * reads, and execute the program in this process.  So pid, signals, exit status
 * and file descriptors are the program's own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "tool.h"

static const char name[] = "run";

static bool set_number(const char *variable, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return setenv(variable, text, 1) == 0;
}

static bool set_or_unset(const char *variable, const char *value)
{
	return (value ? setenv(variable, value, 1) : unsetenv(variable)) == 0;
}

/* Set @variable to @first, @separator and @rest.  @rest may be NULL. */
static bool set_joined(const char *variable, const char *first, char separator,
		       const char *rest)
{
	char *text;
	bool ok;

	if (!rest || !*rest)
		return setenv(variable, first, 1) == 0;
	if (asprintf(&text, "%s%c%s", first, separator, rest) < 0)
		return false;
	ok = setenv(variable, text, 1) == 0;
	free(text);
	return ok;
}

static bool set_devices(const struct run_options *o)
{
	static const char variable[] = "UHMM_RUN_DEVICES";
	bool ok = unsetenv(variable) == 0;

	for (size_t i = o->nr_devices; ok && i-- > 0;)
		ok = set_joined(variable, o->devices[i], '\n',
				getenv(variable));
	return ok;
}

static int no_memory(void)
{
	complain(name, "there is no memory for the environment; free some");
	return EXIT_OURS;
}

/* Make the limit that all processes of the command share. */
static int set_budget(const struct run_options *o)
{
	static const char variable[] = "UHMM_RUN_BUDGET";
	char path[RUN_BUDGET_PATH];
	int err;

	if (o->per_process)
		return unsetenv(variable) ? no_memory() : 0;
	err = run_make_budget(o->ram, path);
	if (err) {
		complain(name,
			 "there can be no limit for all processes: %s; "
			 "--per-process needs none",
			 strerror(-err));
		return EXIT_OURS;
	}
	return setenv(variable, path, 1) ? no_memory() : 0;
}

static bool set_environment(const struct run_options *o, const char *preload)
{
	const char *summary = o->summary ? o->summary : "-";

	return set_joined("LD_PRELOAD", preload, ':', getenv("LD_PRELOAD")) &&
	       set_devices(o) && set_number("UHMM_RUN_RAM", o->ram) &&
	       set_number("UHMM_RUN_RESIDENT", o->resident) &&
	       set_number("UHMM_RUN_MIN_SIZE", o->min_size) &&
	       set_number("UHMM_RUN_FOLLOW_FORK", o->follow_fork) &&
	       set_number("UHMM_RUN_SHARED", o->shared) &&
	       set_number("UHMM_RUN_CALLS", o->calls) &&
	       set_number("UHMM_RUN_RINGS", o->rings) &&
	       set_number("UHMM_RUN_PID", (uint64_t)getpid()) &&
	       setenv("UHMM_RUN_MODE", o->mode_name, 1) == 0 &&
	       set_or_unset("UHMM_RUN_SUMMARY",
			    o->wants_summary ? summary : NULL) &&
	       (!o->features_off ||
		set_joined("UHMM_FEATURES_OFF", o->features_off, ',',
			   getenv("UHMM_FEATURES_OFF")));
}

static int become(char **program)
{
	int err;

	execvp(program[0], program);
	err = errno;
	complain(name, "%s cannot be started: %s; try it without uhmm",
		 program[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;
	char preload[PATH_MAX], why[2 * PATH_MAX];
	int status = run_parse(argc, argv, &o);

	if (status != -1)
		return status;
	status = program_check(o.program[0], why, sizeof(why));
	if (status) {
		complain(name, "%s", why);
		return status;
	}
	status = run_find_preload(preload);
	if (!status)
		status = run_check_devices(&o);
	if (!status)
		status = run_check_summary(&o);
	if (!status)
		status = set_budget(&o);
	if (status)
		return status;
	if (!set_environment(&o, preload)) {
		return no_memory();
	}
	return become(o.program);
}
