// SPDX-License-Identifier: MIT
/* uhmm limit: changes the limit of a running process. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stat.h"
#include "tool.h"

static const char name[] = "limit";

static void help_limit(void)
{
	printf("Usage: uhmm limit PID --ram SIZE\n\n"
	       "Give a running process another limit on its RAM, one that "
	       "\"uhmm run\" started and\n"
	       "that has passed its limit, or one that opened its context with "
	       "UHMM_OPEN_STAT.\n"
	       "The limit is for the same things as before: all RAM, or the "
	       "program's own pages\n"
	       "alone; see \"uhmm run --help\".\n\n"
	       "  --ram SIZE  the limit, as 512M or 2G; a lower one is reached "
	       "little by little\n"
	       "  --help      this text\n");
}

static bool all_took_it(struct json_object *list, uint64_t bytes)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *limit = NULL;

		json_object_object_get_ex(json_object_array_get_idx(list, i),
					  "ram_limit", &limit);
		if (json_object_get_uint64(limit) != bytes)
			return false;
	}
	return true;
}

static int run_limit(pid_t pid, uint64_t bytes)
{
	struct json_object *list;
	enum stat_answer answer;
	char request[32];
	bool took;

	if (!stat_may_ask(name, pid))
		return EXIT_FAILURE;
	snprintf(request, sizeof(request), "l%" PRIu64 "\n", bytes);
	list = json_object_new_array();
	answer = stat_ask_all(pid, request, list);
	took = answer == STAT_OK && all_took_it(list, bytes);
	if (answer == STAT_NONE)
		complain(name,
			 "process %d takes no limit: it does not use uhmm, or "
			 "has not passed the limit that it has; start it with "
			 "\"uhmm run --ram SIZE\"",
			 (int)pid);
	else if (answer == STAT_BROKEN)
		complain(name, STAT_NO_ANSWER, (int)pid);
	else if (!took)
		complain(name,
			 "process %d did not take the limit: it is ending, or "
			 "has no memory for that; see \"uhmm stat %d\"",
			 (int)pid, (int)pid);
	json_object_put(list);
	return took ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cmd_limit(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ram", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t bytes = 0;
	pid_t pid;
	int opt, status;

	while ((opt = next_option(name, argc, argv, options, help_limit,
				  &status)) > 0)
		if (!parse_bytes(name, "--ram", optarg, LEAST_RAM, &bytes))
			return EXIT_USAGE;
	if (!opt)
		return status;
	if (argc - optind != 1 || !bytes) {
		complain(name, "give one process and a limit; write \"uhmm "
			       "limit PID --ram SIZE\"");
		return EXIT_USAGE;
	}
	if (!stat_parse_pid(name, argv[optind], &pid))
		return EXIT_USAGE;
	return run_limit(pid, bytes);
}
