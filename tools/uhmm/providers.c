// SPDX-License-Identifier: MIT
/*
 * uhmm providers: what devices can be made of, and their options.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#include "tool.h"

static const char name[] = "providers";

static void help(void)
{
	printf("Usage: uhmm providers [NAME...]\n"
	       "       uhmm providers --measure [SPECIFICATION...]\n\n"
	       "List the providers that devices can be made of, with the "
	       "options of each, and\nwhat there is of them here.  A wrapper "
	       "goes in front of a provider:\n"
	       "\"delay(us=50)/ram:64M\".\n\n"
	       "  --measure   how fast pages go to these devices and come "
	       "home; without any,\n"
	       "              to all that there are here\n"
	       "  --help      this text\n");
}

static void print_option(const struct uhmm_option *o)
{
	char key[64];

	snprintf(key, sizeof(key), "%s=%s", o->key,
		 o->fallback ? o->fallback : "...");
	printf("    %-20s  %s%s\n", key, o->help ? o->help : "",
	       o->fallback ? "" : " (must be given)");
}

static void print_found(void *arg, const struct uhmm_found *found)
{
	printf("    %-36s  %6" PRIu64 " MiB", found->spec, found->bytes >> 20);
	if (found->max_bytes && found->max_bytes < found->bytes)
		printf(", at most %" PRIu64 " MiB of it",
		       found->max_bytes >> 20);
	printf("  %s\n", found->name);
}

static bool has_list(const struct uhmm_provider *p)
{
	return p->size >= sizeof(*p) && p->list;
}

static void print_provider(const struct uhmm_provider *p)
{
	char why[256];

	printf("%-10s  %s%s\n", p->name, p->wrap ? "wrapper: " : "",
	       p->summary ? p->summary : "");
	for (const struct uhmm_option *o = p->options; o && o->key; o++)
		print_option(o);
	if (has_list(p) && p->list(print_found, NULL, why, sizeof(why)))
		printf("    none here: %s\n", why);
}

static void print_failed(const char *module, const char *why)
{
	printf("%-10s  cannot be used: %s\n", module, why);
}

/* ---- Measuring --------------------------------------------------------- */

static int measure(const char *spec)
{
	struct measured m;
	int err = measure_device(spec, &m);

	if (err) {
		complain(name, "%s cannot be measured: %s", spec,
			 strerror(-err));
		return EXIT_FAILURE;
	}
	printf("%-40s %6.2f %6.2f %8.1f %8.1f\n", spec, m.in, m.out, m.page_us,
	       m.touch_us);
	return EXIT_SUCCESS;
}

/* "opencl:platform=0,device=0" with a size. */
static void measure_found(void *arg, const struct uhmm_found *found)
{
	const char *rest = strchr(found->spec, ':');
	char spec[256];
	int *status = arg;

	snprintf(spec, sizeof(spec), "%.*s:64M%s%s",
		 rest ? (int)(rest - found->spec) : (int)strlen(found->spec),
		 found->spec, rest ? "," : "", rest ? rest + 1 : "");
	*status = measure(spec) || *status;
}

static int measure_all(const char *const *specs)
{
	int status = EXIT_SUCCESS;

	printf("%-40s %6s %6s %8s %8s\n", "", "to", "from", "a page",
	       "a touch");
	printf("%-40s %6s %6s %8s %8s\n", "", "GB/s", "GB/s", "us", "us");
	for (; *specs; specs++)
		status = measure(*specs) || status;
	return status;
}

static int measure_here(void)
{
	static const char *const some[] = { "ram:64M", "zram:64M", NULL };
	const struct uhmm_provider *p = NULL;
	int status = measure_all(some);
	char why[256];

	while ((p = uhmm_provider_next(p)))
		if (has_list(p))
			(void)p->list(measure_found, &status, why, sizeof(why));
	return status;
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
		{ "measure", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	const struct uhmm_provider *p = NULL;
	bool is_measured = false;
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) == 'm')
		is_measured = true;
	if (opt == 'h') {
		help();
		return EXIT_SUCCESS;
	}
	if (opt != -1) {
		complain_option(name, opt, argv);
		return EXIT_USAGE;
	}
	if (is_measured && optind < argc)
		return measure_all((const char *const *)argv + optind);
	modules_load(print_failed);
	if (is_measured)
		return measure_here();
	if (optind < argc)
		return print_named(argv + optind);
	while ((p = uhmm_provider_next(p)))
		print_provider(p);
	return EXIT_SUCCESS;
}
