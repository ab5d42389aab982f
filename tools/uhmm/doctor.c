// SPDX-License-Identifier: MIT
/*
 * uhmm doctor: which features work here, which do not, and the remedy.
 *
 * A line for each thing examined, and below it the command that would improve
 * it.  Each feature is tried, as the library tries it.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <uhmm/uhmm.h>

#include "doctor.h"
#include "tool.h"

static const char name[] = "doctor";
static bool something_is_missing;

void finding(enum finding how, const char *what, const char *text,
	     const char *mend, ...)
{
	static const char *const words[] = {
		[FINE] = "ok",
		[SLOW] = "could be better",
		[MISSING] = "missing",
	};
	va_list ap;

	something_is_missing = something_is_missing || how == MISSING;
	printf("%-16s %-15s ", what, words[how]);
	va_start(ap, mend);
	vprintf(text, ap);
	va_end(ap);
	putchar('\n');
	if (mend)
		printf("%-16s %-15s %s\n", "", "  to mend it:", mend);
}

void read_line(const char *path, char *ret, int len)
{
	FILE *f = fopen(path, "re");

	*ret = '\0';
	if (!f)
		return;
	if (!fgets(ret, len, f))
		*ret = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	fclose(f);
}

bool read_field(const char *path, const char *key, char *ret, int len)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	*ret = '\0';
	while (f && !found && fgets(line, sizeof(line), f)) {
		found = !strncmp(line, key, strlen(key));
		if (found)
			snprintf(ret, (size_t)len, "%s",
				 line + strlen(key) +
					 strspn(line + strlen(key), " \t"));
	}
	ret[strcspn(ret, "\n")] = '\0';
	if (f)
		fclose(f);
	return found;
}

static void say_system(void)
{
	uint32_t v = uhmm_version();
	struct utsname u;

	if (uname(&u))
		return;
	printf("uhmm %u.%u.%u on %s %s, %s\n\n", v >> 16, v >> 8 & 0xff,
	       v & 0xff, u.sysname, u.release, u.machine);
}

static void help_doctor(void)
{
	printf("Usage: uhmm doctor\n\n"
	       "Say what works on this machine for this user, what does not, "
	       "and what would\nmend it.  Exit status 1: \"uhmm run\" would "
	       "not work as it should.\n");
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int status;

	if (!next_option(name, argc, argv, options, help_doctor, &status))
		return status;
	if (optind < argc) {
		complain(name, "%s: there are no arguments; leave it out",
			 argv[optind]);
		return EXIT_USAGE;
	}
	say_system();
	doctor_privilege();
	doctor_features();
	doctor_kernel_module();
	doctor_surroundings();
	doctor_providers();
	return something_is_missing ? EXIT_FAILURE : EXIT_SUCCESS;
}
