// SPDX-License-Identifier: MIT
/* uhmm stat: prints where the memory of a running process is. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "stat.h"
#include "tool.h"

static const char name[] = "stat";

static void help_stat(void)
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

static int run_stat(pid_t pid, bool ranges, bool json)
{
	struct json_object *list;
	enum stat_answer answer;

	stat_sweep();
	if (!stat_may_ask(name, pid))
		return EXIT_FAILURE;
	list = json_object_new_array();
	answer = stat_ask_all(pid, ranges ? "r" : "s", list);
	if (answer == STAT_OK)
		print_all(list, pid, json);
	else if (answer == STAT_NONE)
		complain(
			name,
			"process %d has nothing to tell: it does not use uhmm, "
			"or has not passed its limit yet; start it with "
			"\"uhmm run\", or ask again later",
			(int)pid);
	else
		complain(name, STAT_NO_ANSWER, (int)pid);
	json_object_put(list);
	return answer == STAT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
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
	int opt, status;

	while ((opt = next_option(name, argc, argv, options, help_stat,
				  &status)) > 0) {
		ranges = ranges || opt == 'r';
		json = json || opt == 'j';
	}
	if (!opt)
		return status;
	if (argc - optind != 1) {
		complain(name, "give one process; write \"uhmm stat "
			       "[OPTION]... PID\"");
		return EXIT_USAGE;
	}
	if (!stat_parse_pid(name, argv[optind], &pid))
		return EXIT_USAGE;
	return run_stat(pid, ranges, json);
}
