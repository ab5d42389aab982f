// SPDX-License-Identifier: MIT
/*
 * uhmm serve: keeps the data of a device of the kernel module in a device of
 * any provider, for all processes that attach to it.
 *
 * The provider is opened as for a program, in a context that manages no memory,
 * below a wrapper of this file that tells what is below it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "tool.h"

#define LEAST_SLOTS 16
#define MOST_SLOTS  4096

static const char name[] = "serve";

static void help_serve(void)
{
	printf("Usage: uhmm serve [OPTION]... SPECIFICATION\n\n"
	       "Keep the data of a device of the kernel module for other "
	       "processes, in a device\nmade of the specification, \"zram:1G\" "
	       "say.  The first line of output is the\nspecification that "
	       "they use, \"kmod:id=1\" say.  SIGINT and SIGTERM bring all "
	       "pages\nhome and end it.  It runs as root.\n\n"
	       "  --threads N        threads that serve (default: up to 4, "
	       "as there are processors)\n"
	       "  --slots N          pages on their way at a time, 16 to 4096 "
	       "(default: 1024)\n"
	       "  --timeout SECONDS  how long the device may be silent until "
	       "it is taken for\n"
	       "                     lost (default: 30)\n"
	       "  --help             this text\n");
}

/* ---- The provider's device ---- */

static struct served served;

/* The core below never calls it: nothing is registered in the context. */
static int tell_wrap(const char *const *values,
		     const struct uhmm_device_desc *inner, void *inner_priv,
		     struct uhmm_device_desc *desc, void **ret_priv)
{
	(void)values;
	*desc = *inner;
	*ret_priv = inner_priv;
	served.desc = *inner;
	served.priv = inner_priv;
	return 0;
}

static const struct uhmm_provider tell = {
	.size = sizeof(tell),
	.abi = UHMM_PROVIDER_ABI,
	.name = "uhmm-serve",
	.wrap = tell_wrap,
};

static void keep_open_message(void *arg, int level, const char *msg)
{
	const char *text = strstr(msg, ": ");
	char *why = arg;

	if (level <= 4 && !*why)
		snprintf(why, 256, "%.*s",
			 (int)strcspn(text ? text + 2 : msg, "\n"),
			 text ? text + 2 : msg);
}

static int open_below(struct uhmm *u, const char *spec)
{
	static char why[256];
	struct uhmm_device *dev;
	char wrapped[512];
	int err;

	if (snprintf(wrapped, sizeof(wrapped), "%s/%s", tell.name, spec) >=
	    (int)sizeof(wrapped)) {
		complain(name,
			 "the specification is too long; give a shorter one");
		return EXIT_USAGE;
	}
	uhmm_set_log(u, keep_open_message, why);
	err = uhmm_device_open(u, wrapped, &dev);
	if (err) {
		complain(name, "%s: %s; \"uhmm providers\" lists what there is",
			 spec, *why ? why : strerror(-err));
		return EXIT_USAGE;
	}
	if (served.desc.flags &
	    (UHMM_DEVICE_NODE | UHMM_DEVICE_KMOD | UHMM_DEVICE_FIXED)) {
		complain(name,
			 "%s: no process has to keep its data; name it to "
			 "\"uhmm run --device\" instead",
			 spec);
		return EXIT_USAGE;
	}
	return 0;
}

/* ---- Serving ---- */

static unsigned int default_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 4 ? 4 : n < 1 ? 1 : (unsigned int)n;
}

static int end_well(struct served *s)
{
	uint64_t left = serve_bring_home(s);

	if (!left)
		return EXIT_SUCCESS;
	complain(name, "%" PRIu64 " pages could not come home and are lost",
		 left);
	return EXIT_FAILURE;
}

static int serve_until_signal(struct served *s, unsigned int nr_threads)
{
	sigset_t ends;
	int sig, status;

	/* Threads inherit this: the signals wait for sigwait(). */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	if (!serve_start(s, nr_threads))
		return EXIT_FAILURE;
	printf("kmod:id=%u\n", (unsigned int)s->add.id);
	fflush(stdout);
	sigwait(&ends, &sig);
	if (s->is_dead) {
		complain(name, "the kernel has given up the device: it was "
			       "silent for too long, or is gone; start anew");
		status = EXIT_FAILURE;
	} else {
		status = end_well(s);
	}
	serve_end(s);
	return status;
}

static int run_serve(const char *spec, unsigned int nr_threads)
{
	struct uhmm *u;
	int err = uhmm_provider_register(&tell), status;

	if (!err)
		err = uhmm_open(NULL, &u);
	if (err) {
		complain(name, "nothing works here: %s; see \"uhmm doctor\"",
			 strerror(-err));
		return EXIT_FAILURE;
	}
	status = open_below(u, spec);
	if (!status) {
		served.add.npages = served.desc.npages;
		if (!(served.desc.flags & UHMM_DEVICE_CONCURRENT))
			nr_threads = 1;
		status = serve_add(&served) ?
				 serve_until_signal(&served, nr_threads) :
				 EXIT_FAILURE;
	}
	uhmm_close(u);
	return status;
}

/* ---- The command line ---- */

static bool parse_number(const char *option, unsigned int least,
			 unsigned int most, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end || n < least || n > most) {
		complain(name,
			 "%s %s is no number from %u to %u; see "
			 "\"uhmm serve --help\"",
			 option, optarg, least, most);
		return false;
	}
	*ret = (unsigned int)n;
	return true;
}

static bool take_option(int opt, unsigned int *threads, struct uhmmk_add *add)
{
	unsigned int seconds;

	if (opt == 't')
		return parse_number("--threads", 1, MAX_SERVERS, threads);
	if (opt == 's')
		return parse_number("--slots", LEAST_SLOTS, MOST_SLOTS,
				    &add->slots);
	if (!parse_number("--timeout", 1, 3600, &seconds))
		return false;
	add->timeout_ms = seconds * 1000;
	return true;
}

int cmd_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "slots", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int threads = default_threads();
	int opt, status;

	served.add = (struct uhmmk_add){
		.size = sizeof(served.add),
		.flags = UHMMK_RING,
		.type = UHMMK_PRIVATE,
		.slots = 1024,
		.timeout_ms = 30000,
	};
	while ((opt = next_option(name, argc, argv, options, help_serve,
				  &status)) > 0)
		if (!take_option(opt, &threads, &served.add))
			return EXIT_USAGE;
	if (!opt)
		return status;
	if (argc - optind != 1) {
		complain(name, "give one specification; write \"uhmm serve "
			       "zram:1G\"");
		return EXIT_USAGE;
	}
	return run_serve(argv[optind], threads);
}
