// SPDX-License-Identifier: MIT
/*
 * The command line of "uhmm run".
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "run.h"
#include "tool.h"

#define MIB		 (UINT64_C(1) << 20)
#define DEFAULT_MIN_SIZE (UINT64_C(64) << 10)
/* Defaults of --ram, of the available RAM, and of the device's size. */
#define DEFAULT_RAM_PERCENT 75
#define DEFAULT_DEVICE_SIZE 4 /* times the limit or the RAM */
#define SPACE_SHARE	    8 /* of the address space, where it is limited */

static const char name[] = "run";

static const struct {
	const char *name;
	enum uhmm_fault_mode mode;
} modes[] = {
	{ "auto", UHMM_FAULTS_THREADS }, /* with any privilege */
	{ "threads", UHMM_FAULTS_THREADS },
	{ "inline", UHMM_FAULTS_INLINE },
};

static void help_run(void)
{
	printf("Usage: uhmm run [OPTION]... [--] PROGRAM [ARG]...\n\n"
	       "Run PROGRAM with a limit on the RAM of its data: cold pages "
	       "are moved to devices\n"
	       "and come home when they are touched.\n\n"
	       "  --ram SIZE           the limit, as 512M or 2G, with what "
	       "devices keep in RAM (default:\n"
	       "                       75 %% of what is available, or what the "
	       "cgroup allows if that\n"
	       "                       is less)\n"
	       "  --resident SIZE      instead, a limit on the program's own "
	       "pages in RAM alone\n"
	       "  --device SPEC        where cold pages go; the first given is "
	       "filled first\n"
	       "                       (default: zram, large enough; see "
	       "\"uhmm providers\")\n"
	       "  --min-size SIZE      least anonymous mapping to manage "
	       "(default: 64K)\n"
	       "  --mode MODE          who serves faults: threads, inline or "
	       "auto (default: auto)\n"
	       "  --per-process        the limit is for each process, not for "
	       "all together\n"
	       "  --follow-fork=YESNO  manage children too (default: yes)\n"
	       "  --shared=no|anon     manage shared anonymous memory too "
	       "(default: no)\n"
	       "  --summary[=FILE]     at exit say what happened, on standard "
	       "error or in FILE\n"
	       "  --features-off LIST  kernel features not to use, as "
	       "move,poison; for tests\n"
	       "  --help               this text\n\n"
	       "The exit status is that of PROGRAM; 125 if uhmm fails, 126 if "
	       "PROGRAM cannot be\n"
	       "run, 127 if it is not found.\n");
}

static int parse_size(const char *option, const char *arg, uint64_t least,
		      uint64_t *ret)
{
	return parse_bytes(name, option, arg, least, ret) ? -1 : EXIT_OURS;
}

static int parse_mode(const char *arg, struct run_options *o)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(arg, modes[i].name) == 0) {
			o->mode = modes[i].mode;
			o->mode_name = modes[i].name;
			return -1;
		}
	complain(name, "--mode %s is no mode; write threads, inline or auto",
		 arg);
	return EXIT_OURS;
}

static int add_device(const char *spec, struct run_options *o)
{
	if (strchr(spec, '\n')) {
		complain(name,
			 "--device takes one line; remove the line break");
		return EXIT_OURS;
	}
	if (o->nr_devices == RUN_MAX_DEVICES) {
		complain(name,
			 "there are more than %d devices; leave some --device "
			 "out",
			 RUN_MAX_DEVICES);
		return EXIT_OURS;
	}
	o->devices[o->nr_devices++] = spec;
	return -1;
}

static int set_summary(const char *file, struct run_options *o)
{
	if (file && !*file) {
		complain(name, "--summary= names no file; give one, or leave "
			       "out the = for standard error");
		return EXIT_OURS;
	}
	o->wants_summary = true;
	o->summary = file;
	return -1;
}

static int parse_follow(const char *arg, struct run_options *o)
{
	if (strcmp(arg, "yes") && strcmp(arg, "no")) {
		complain(name, "--follow-fork %s is neither; write yes or no",
			 arg);
		return EXIT_OURS;
	}
	o->follow_fork = *arg == 'y';
	return -1;
}

static int parse_shared(const char *arg, struct run_options *o)
{
	if (strcmp(arg, "no") && strcmp(arg, "anon")) {
		complain(name, "--shared %s is neither; write no or anon", arg);
		return EXIT_OURS;
	}
	o->shared = *arg == 'a';
	return -1;
}

/* There is one limit: on all RAM, or on the program's pages alone. */
static int parse_run_limit(const char *option, bool resident,
			   struct run_options *o)
{
	if (o->ram && o->resident != resident) {
		complain(name, "--ram and --resident exclude each other; leave "
			       "one out");
		return EXIT_OURS;
	}
	o->resident = resident;
	return parse_size(option, optarg, LEAST_RAM, &o->ram);
}

static int parse_option(int opt, char **argv, struct run_options *o)
{
	switch (opt) {
	case 'r':
		return parse_run_limit("--ram", false, o);
	case 'R':
		return parse_run_limit("--resident", true, o);
	case 'd':
		return add_device(optarg, o);
	case 'm':
		return parse_size("--min-size", optarg, uhmm_page_size(),
				  &o->min_size);
	case 'M':
		return parse_mode(optarg, o);
	case 's':
		return set_summary(optarg, o);
	case 'p':
		o->per_process = true;
		return -1;
	case 'F':
		return parse_follow(optarg, o);
	case 'S':
		return parse_shared(optarg, o);
	case 'f':
		o->features_off = optarg;
		return -1;
	case 'h':
		help_run();
		return EXIT_SUCCESS;
	default:
		complain_option(name, opt, argv);
		return EXIT_OURS;
	}
}

/* The RAM that the kernel could give without swapping, in bytes; 0: unknown. */
static uint64_t available_ram(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (uint64_t)kib << 10;
}

/*
 * The default device stores pages in RAM, and its unused capacity takes
 * addresses only.  So it is made large enough for all data that could compress
 * into the machine's RAM or into a limit above that, as far as addresses allow.
 */
static uint64_t device_size(uint64_t ram)
{
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * uhmm_page_size();
	uint64_t size = (ram > all ? ram : all) * DEFAULT_DEVICE_SIZE;
	uint64_t space = run_space(NULL) / SPACE_SHARE;

	if (space && size > space)
		size = space;
	return size < MIB ? 1 : size / MIB;
}

void run_set_default_device(struct run_options *o)
{
	snprintf(o->default_device, sizeof(o->default_device), "zram:%lluM",
		 (unsigned long long)o->default_mib);
	o->devices[0] = o->default_device;
	o->nr_devices = 1;
}

static int set_defaults(struct run_options *o)
{
	uint64_t cgroup = uhmm_cgroup_limit();

	if (!o->ram) {
		o->ram = available_ram() / 100 * DEFAULT_RAM_PERCENT;
		if (cgroup && (!o->ram || cgroup < o->ram))
			o->ram = cgroup < LEAST_RAM ? LEAST_RAM : cgroup;
		o->ram &= ~(MIB - 1);
	}
	if (!o->ram) {
		complain(name, "/proc/meminfo does not say how much RAM is "
			       "available; give --ram");
		return EXIT_OURS;
	}
	if (!o->nr_devices) {
		o->default_mib = device_size(o->ram);
		run_set_default_device(o);
	}
	return -1;
}

int run_parse(int argc, char **argv, struct run_options *o)
{
	static const struct option options[] = {
		{ "ram", required_argument, NULL, 'r' },
		{ "resident", required_argument, NULL, 'R' },
		{ "device", required_argument, NULL, 'd' },
		{ "min-size", required_argument, NULL, 'm' },
		{ "mode", required_argument, NULL, 'M' },
		{ "summary", optional_argument, NULL, 's' },
		{ "per-process", no_argument, NULL, 'p' },
		{ "follow-fork", required_argument, NULL, 'F' },
		{ "shared", required_argument, NULL, 'S' },
		{ "features-off", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt, status;

	*o = (struct run_options){
		.min_size = DEFAULT_MIN_SIZE,
		.mode = UHMM_FAULTS_THREADS,
		.mode_name = "auto",
		.follow_fork = true,
	};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		status = parse_option(opt, argv, o);
		if (status != -1)
			return status;
	}
	if (optind == argc) {
		complain(name, "the program is missing; write \"uhmm run "
			       "[OPTION]... PROGRAM [ARG]...\"");
		return EXIT_OURS;
	}
	o->program = argv + optind;
	return set_defaults(o);
}
