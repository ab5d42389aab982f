// SPDX-License-Identifier: MIT
/*
 * uhmm providers: what devices can be made of, and their options.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#include "tool.h"

static const char name[] = "providers";

static void help(void)
{
	printf("Usage: uhmm providers [NAME...]\n\n"
	       "List the providers that devices can be made of, with the "
	       "options of each.\n"
	       "A wrapper goes in front of a provider: "
	       "\"delay(us=50)/ram:64M\".\n");
}

static void print_option(const struct uhmm_option *o)
{
	char key[64];

	snprintf(key, sizeof(key), "%s=%s", o->key,
		 o->fallback ? o->fallback : "...");
	printf("    %-20s  %s%s\n", key, o->help ? o->help : "",
	       o->fallback ? "" : " (must be given)");
}

static void print_provider(const struct uhmm_provider *p)
{
	printf("%-10s  %s%s\n", p->name, p->wrap ? "wrapper: " : "",
	       p->summary ? p->summary : "");
	for (const struct uhmm_option *o = p->options; o && o->key; o++)
		print_option(o);
}

static const struct uhmm_provider *find(const char *wanted)
{
	const struct uhmm_provider *p = NULL;

	while ((p = uhmm_provider_next(p)))
		if (strcmp(p->name, wanted) == 0)
			break;
	return p;
}

static int print_named(char **names)
{
	for (; *names; names++) {
		const struct uhmm_provider *p = find(*names);

		if (!p) {
			complain(name,
				 "there is no provider %s; \"uhmm providers\" "
				 "lists them",
				 *names);
			return EXIT_FAILURE;
		}
		print_provider(p);
	}
	return EXIT_SUCCESS;
}

int cmd_providers(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct uhmm_provider *p = NULL;
	int opt = getopt_long(argc, argv, ":h", options, NULL);

	if (opt == 'h') {
		help();
		return EXIT_SUCCESS;
	}
	if (opt != -1) {
		complain_option(name, opt, argv);
		return EXIT_USAGE;
	}
	if (optind < argc)
		return print_named(argv + optind);
	while ((p = uhmm_provider_next(p)))
		print_provider(p);
	return EXIT_SUCCESS;
}
