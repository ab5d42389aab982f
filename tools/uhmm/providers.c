// SPDX-License-Identifier: MIT
/* uhmm providers: lists the kinds of devices, and their options. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#include "tool.h"

static const char name[] = "providers";

static void help_providers(void)
{
	printf("Usage: uhmm providers [NAME...]\n"
	       "       uhmm providers --measure [SPECIFICATION...]\n\n"
	       "List the providers that devices can be made of, with the "
	       "options of each, and\nwhat there is of them here.  A wrapper "
	       "goes in front of a provider:\n"
	       "\"delay(us=50)/ram:64M\".\n\n"
	       "  --measure   how fast pages go to these devices and come "
	       "home; without any,\n"
	       "              to all that there are here; each page is copied\n"
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

/*
 * All devices are measured before the table is printed; errors are printed at
 * once.
 */
struct row {
	char spec[256];
	struct measured m;
};

#define MAX_ROWS 64

static struct row rows[MAX_ROWS];
static size_t nr_rows;
static bool is_module_unusable;

static void complain_failed(const char *module, const char *why)
{
	is_module_unusable = true;
	complain(name, "module %s cannot be used: %s", module, why);
}

/* A reason that has a remedy, behind a semicolon, needs no other. */
static const char *measure_hint(const char *why)
{
	return strchr(why, ';') ? "" :
				  "; \"uhmm providers\" lists what there is";
}

static int measure(const char *spec)
{
	struct row *row = &rows[nr_rows];

	if (nr_rows == MAX_ROWS) {
		complain(name, "there are more than %d devices; name some",
			 MAX_ROWS);
		return EXIT_FAILURE;
	}
	if (measure_device(spec, &row->m)) {
		complain(name, "%s cannot be measured: %s%s", spec, row->m.why,
			 measure_hint(row->m.why));
		return EXIT_FAILURE;
	}
	snprintf(row->spec, sizeof(row->spec), "%s", spec);
	nr_rows++;
	return EXIT_SUCCESS;
}

static void print_rows(void)
{
	if (!nr_rows)
		return;
	printf("%-40s %6s %6s %8s %8s\n", "", "to", "from", "a page",
	       "a touch");
	printf("%-40s %6s %6s %8s %8s\n", "", "GB/s", "GB/s", "us", "us");
	for (size_t i = 0; i < nr_rows; i++)
		printf("%-40s %6.2f %6.2f %8.1f %8.1f\n", rows[i].spec,
		       rows[i].m.in, rows[i].m.out, rows[i].m.page_us,
		       rows[i].m.touch_us);
}

/* Insert a size into the found spec, "opencl:platform=0,device=0" say. */
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
	for (; *specs; specs++)
		if (measure(*specs))
			return EXIT_FAILURE;
	print_rows();
	return EXIT_SUCCESS;
}

static int measure_here(void)
{
	static const char *const some[] = { "ram:64M", "zram:64M" };
	const struct uhmm_provider *p = NULL;
	int status;
	char why[256];

	modules_load(complain_failed);
	status = is_module_unusable ? EXIT_FAILURE : EXIT_SUCCESS;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		status = measure(some[i]) || status;
	while ((p = uhmm_provider_next(p)))
		if (has_list(p))
			(void)p->list(measure_found, &status, why, sizeof(why));
	print_rows();
	return status;
}

static const struct uhmm_provider *find_provider(const char *wanted)
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
		const struct uhmm_provider *p = find_provider(*names);

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
	int opt, status;

	while ((opt = next_option(name, argc, argv, options, help_providers,
				  &status)) > 0)
		is_measured = true;
	if (!opt)
		return status;
	if (is_measured)
		return optind < argc ?
			       measure_all((const char *const *)argv + optind) :
			       measure_here();
	modules_load(print_failed);
	if (optind < argc)
		return print_named(argv + optind);
	while ((p = uhmm_provider_next(p)))
		print_provider(p);
	return EXIT_SUCCESS;
}
