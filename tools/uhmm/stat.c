// SPDX-License-Identifier: MIT
/*
 * uhmm stat: what a running process has where.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stat.h"
#include "tool.h"

static const char name[] = "stat";

static void help(void)
{
	printf("Usage: uhmm stat [OPTION]... PID\n\n"
	       "Say where the managed memory of a process is, and what "
	       "happened to it: one that\n"
	       "\"uhmm run\" started and that has passed its limit, or one "
	       "that opened its context\n"
	       "with UHMM_OPEN_STAT.\n\n"
	       "  --ranges   each managed range too, in the manner of "
	       "/proc/PID/smaps\n"
	       "  --json     for programs: numbers are pages or bytes, not "
	       "rounded\n"
	       "  --help     this text\n");
}

/* 0: it may be asked. */
static int check_process(pid_t pid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st)) {
		complain(name, "there is no process %d; see ps(1)", (int)pid);
		return EXIT_FAILURE;
	}
	if (st.st_uid != geteuid()) {
		complain(name,
			 "process %d is not yours; only the user that runs it "
			 "may ask it",
			 (int)pid);
		return EXIT_FAILURE;
	}
	return 0;
}

static void print_json(struct json_object *list, pid_t pid)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "pid", json_object_new_int(pid));
	json_object_object_add(o, "contexts", json_object_get(list));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

static void print_all(struct json_object *list, pid_t pid, bool json)
{
	size_t n = json_object_array_length(list);

	if (json)
		print_json(list, pid);
	for (size_t i = 0; !json && i < n; i++)
		stat_print(json_object_array_get_idx(list, i));
}

/* All contexts of the process into @list. */
static enum stat_answer ask_all(pid_t pid, bool ranges,
				struct json_object *list)
{
	enum stat_answer answer = STAT_OK;
	unsigned misses = 0;

	/* numbers of contexts that were closed are missing */
	for (unsigned n = 0; misses < 64; n++) {
		struct json_object *o;
		char *text;

		answer = stat_ask(pid, n, ranges, &text);
		if (answer == STAT_BROKEN)
			return answer;
		misses = answer == STAT_NONE ? misses + 1 : 0;
		if (misses)
			continue;
		o = stat_parse(text);
		free(text);
		if (!o)
			return STAT_BROKEN;
		json_object_array_add(list, o);
	}
	return json_object_array_length(list) ? STAT_OK : STAT_NONE;
}

static int run(pid_t pid, bool ranges, bool json)
{
	struct json_object *list;
	enum stat_answer answer;
	int status = check_process(pid);

	stat_sweep();
	if (status)
		return status;
	list = json_object_new_array();
	answer = ask_all(pid, ranges, list);
	if (answer == STAT_OK)
		print_all(list, pid, json);
	else if (answer == STAT_NONE)
		complain(
			name,
			"process %d has nothing to tell: it does not use uhmm, "
			"or has not passed its limit yet",
			(int)pid);
	else
		complain(name,
			 "process %d did not answer to the end; try again",
			 (int)pid);
	json_object_put(list);
	return answer == STAT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool parse_pid(const char *arg, pid_t *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	*ret = (pid_t)v;
	return !errno && *arg >= '0' && *arg <= '9' && !*end && v > 0 &&
	       v <= INT_MAX;
}

int cmd_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ranges", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool ranges = false, json = false;
	pid_t pid;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (opt == 'h') {
			help();
			return EXIT_SUCCESS;
		}
		if (opt != 'r' && opt != 'j') {
			complain_option(name, opt, argv);
			return EXIT_USAGE;
		}
		ranges = ranges || opt == 'r';
		json = json || opt == 'j';
	}
	if (argc - optind != 1) {
		complain(name, "give one process; write \"uhmm stat "
			       "[OPTION]... PID\"");
		return EXIT_USAGE;
	}
	if (!parse_pid(argv[optind], &pid)) {
		complain(name, "%s is no number of a process", argv[optind]);
		return EXIT_USAGE;
	}
	return run(pid, ranges, json);
}
