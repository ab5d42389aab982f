// SPDX-License-Identifier: MIT
/*
 * core.c - a core dump that has all data, although pages were on a device.
 *
 * The kernel dumps pages in RAM only.  So the handler of a fatal signal brings
 * all pages home first, and then the signal takes its course.  ("uhmm run" does
 * this for programs by itself.)
 * cc -o core core.c $(pkg-config --cflags --libs uhmm)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#define NPAGES	 512
#define PATIENCE 10000 /* ms without a page coming home */

static struct uhmm *u;
static uint64_t pfns[NPAGES];

/* Async-signal-safe.  SA_RESETHAND: the second time the signal kills. */
static void on_fatal(int sig)
{
	uhmm_rescue(u, PATIENCE);
	raise(sig);
}

/* The bug of the program; its data are still on the device. */
static _Noreturn void crash(char *data)
{
	struct sigaction act = { .sa_handler = on_fatal };
	struct uhmm_params params = { .size = sizeof(params),
				      .flags = UHMM_OPEN_RESCUE };
	struct uhmm_device *dev;
	size_t len = NPAGES * uhmm_page_size(), away = 0;

	act.sa_flags = (int)SA_RESETHAND;
	memset(data, 'x', len);
	if (uhmm_open(&params, &u) || uhmm_device_open(u, "zram:64M", &dev) ||
	    uhmm_migrate(u, data, len, dev) != NPAGES ||
	    uhmm_snapshot(u, data, len, pfns))
		_exit(1);
	for (size_t i = 0; i < NPAGES; i++)
		away += uhmm_pfn_device(pfns[i]) != 0;
	printf("%zu of %d pages are away, the program crashes\n", away, NPAGES);
	fflush(stdout);
	sigaction(SIGABRT, &act, NULL);
	abort();
}

int main(void)
{
	char *data = aligned_alloc(uhmm_page_size(), NPAGES * uhmm_page_size());
	int status;

	if (!data)
		return 1;
	if (fork() == 0)
		crash(data);
	wait(&status);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		return 1;
	printf("it ended by signal %d%s\n", WTERMSIG(status),
	       WCOREDUMP(status) ? ", and its core has all data" :
				   "; no core: see ulimit -c");
	return 0;
}
