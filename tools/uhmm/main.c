// SPDX-License-Identifier: MIT
/* uhmm(1): finds the command and calls its function. */
#include <getopt.h>
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
	{ "limit", cmd_limit, "give a running process another limit" },
	{ "serve", cmd_serve, "keep device memory for other processes" },
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

int next_option(const char *command, int argc, char **argv,
		const struct option *options, void (*help)(void),
		int *ret_status)
{
	int opt = getopt_long(argc, argv, ":h", options, NULL);

	if (opt == 'h') {
		help();
		*ret_status = EXIT_SUCCESS;
		return 0;
	}
	if (opt != '?' && opt != ':')
		return opt;
	complain_option(command, opt, argv);
	*ret_status = EXIT_USAGE;
	return 0;
}

static void help_main(FILE *f)
{
	fprintf(f, "Usage: uhmm COMMAND [ARG...]\n\n"
		   "Move the memory of a process between RAM and devices.\n\n");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(f, "  %-10s  %s\n", commands[i].name, commands[i].what);
	fprintf(f, "\n\"uhmm help COMMAND\" and \"uhmm COMMAND --help\" tell "
		   "about one of them;\n"
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
	complain("", "standard output cannot be written; make room where it "
		     "goes, or send it elsewhere");
	return EXIT_FAILURE;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

/* "uhmm help", and "uhmm help COMMAND", which prints COMMAND's --help. */
static int cmd_help(int argc, char **argv)
{
	static char option[] = "--help";
	const struct command *c;
	char *args[] = { NULL, option, NULL };

	if (argc < 2) {
		help_main(stdout);
		return EXIT_SUCCESS;
	}
	c = find_command(argv[1]);
	if (!c || argc > 2) {
		complain("help", "%s is no command; see \"uhmm --help\"",
			 argv[c ? 2 : 1]);
		return EXIT_USAGE;
	}
	args[0] = argv[1];
	return c->run(2, args);
}

static int run_named(int argc, char **argv)
{
	const char *name = *argv;
	const struct command *c = find_command(name);

	if (c)
		return c->run(argc, argv);
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
	    strcmp(name, "-h") == 0)
		return cmd_help(*name == '-' ? 1 : argc, argv);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		version();
		return EXIT_SUCCESS;
	}
	complain("", "there is no %s %s; see \"uhmm --help\"",
		 *name == '-' ? "option" : "command", name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help_main(stderr);
		return EXIT_USAGE;
	}
	return flush(run_named(argc - 1, argv + 1));
}
