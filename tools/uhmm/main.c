// SPDX-License-Identifier: MIT
/*
 * uhmm(1): finds the command and hands over.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/uhmm.h>

#include "tool.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "run", cmd_run, "run a program with a limit on its RAM" },
	{ "stat", cmd_stat, "say what a running process has where" },
	{ "doctor", cmd_doctor, "say what works here, and what would mend it" },
	{ "providers", cmd_providers, "list what devices can be made of" },
	{ "bench", cmd_bench, "measure, against the bare primitives" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void complain(const char *command, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "uhmm%s%s: ", *command ? " " : "", command);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void complain_option(const char *command, int opt, char **argv)
{
	extern int optind, optopt;
	const char *arg = argv[optind - 1];

	if (opt == ':')
		complain(command,
			 "option %s needs a value; see \"uhmm %s --help\"", arg,
			 command);
	else if (optopt && strncmp(arg, "--", 2) != 0)
		complain(command,
			 "there is no option -%c; see \"uhmm %s --help\"",
			 optopt, command);
	else if (optopt)
		complain(command,
			 "option %s takes no value; see \"uhmm %s --help\"",
			 arg, command);
	else
		complain(command,
			 "there is no option %s; see \"uhmm %s --help\"", arg,
			 command);
}

static void help(void)
{
	printf("Usage: uhmm COMMAND [ARG...]\n\n"
	       "Move the memory of a process between RAM and devices.\n\n");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		printf("  %-10s  %s\n", commands[i].name, commands[i].what);
	printf("\n\"uhmm COMMAND --help\" tells about one of them; "
	       "\"uhmm --version\" is for bug reports.\n");
}

static void version(void)
{
	uint32_t v = uhmm_version();

	printf("uhmm %d.%d.%d\n", UHMM_VERSION_MAJOR, UHMM_VERSION_MINOR,
	       UHMM_VERSION_PATCH);
	printf("libuhmm %u.%u.%u\n", v >> 16, v >> 8 & 0xff, v & 0xff);
}

static int flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	complain("", "standard output cannot be written");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		complain("", "a command is missing; see \"uhmm --help\"");
		return EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		help();
		return flush(EXIT_SUCCESS);
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		version();
		return flush(EXIT_SUCCESS);
	}
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return flush(commands[i].run(argc - 1, argv + 1));
	complain("", "there is no %s %s; see \"uhmm --help\"",
		 *name == '-' ? "option" : "command", name);
	return EXIT_USAGE;
}
