// SPDX-License-Identifier: MIT
/*
 * ring-speed.c - the time of pages that a driver has, against that of a first
 * touch of anonymous memory and, for a lone page, that of a byte that goes to
 * another process and back, which is two switches of processes as well.  The
 * best of some rounds counts: others use the machine, too.
 *
 * type: private
 */
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

#define NPAGES 512UL
#define RUN    64UL
#define ROUNDS 12
#define BYTES  500

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* No page is behind the one before. */
static void touch(char *at)
{
	for (size_t i = 0; i < NPAGES; i++)
		((volatile char *)at)[i * 37 % NPAGES * PAGE]++;
}

static void touch_in_order(char *at)
{
	for (size_t i = 0; i < NPAGES; i++)
		((volatile char *)at)[i * PAGE]++;
}

static void move_runs(char *at)
{
	for (size_t i = 0; i < NPAGES; i += RUN)
		CHECK_EQ(home(at + i * PAGE, RUN), RUN);
}

static void move_out(char *at)
{
	for (size_t i = 0; i < NPAGES; i += RUN)
		CHECK_EQ(out(at + i * PAGE, RUN), RUN);
}

/* The least microseconds a page so far */
static void time_it(double *best, void (*use)(char *), char *at)
{
	double start = now(), us;

	use(at);
	us = (now() - start) * 1e6 / NPAGES;
	if (*best == 0 || us < *best)
		*best = us;
}

/* Memory of this driver stays, and its copies are simple: the ring is timed. */
static int keep_all(struct driver *d, const struct uhmmk_command *c)
{
	uint64_t *data = (uint64_t *)(d->area + c->data);
	uint64_t *kept = (uint64_t *)(d->store + c->dpfn * PAGE);
	size_t n = c->op == UHMMK_FREE ? 0 : c->npages * PAGE / 8;

	for (size_t i = 0; i < n; i++)
		if (c->op == UHMMK_STORE)
			kept[i] = data[i];
		else
			data[i] = kept[i];
	return 0;
}

static int there[2], back[2];

static void bounce(char *at)
{
	for (size_t i = 0; i < NPAGES; i++) {
		CHECK_EQ(write(there[1], at, 1), 1);
		CHECK_EQ(read(back[0], at, 1), 1);
	}
}

static void start_bouncer(void)
{
	char byte;

	CHECK(pipe(there) == 0 && pipe(back) == 0);
	if (fork())
		return;
	close(there[1]);
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	double first = 0, leave = 0, lone = 0, order = 0, run = 0, byte = 0;
	char *at;

	start_driver(argc, argv, 4096, 256, 60000, keep_all);
	start_bouncer();
	for (int i = 0; i < ROUNDS; i++) {
		at = map_pages(NPAGES);
		time_it(&first, touch, at);
		time_it(&leave, move_out, at);
		touch(at);
		all_out(at, NPAGES);
		time_it(&lone, touch, at);
		all_out(at, NPAGES);
		time_it(&order, touch_in_order, at);
		all_out(at, NPAGES);
		time_it(&run, move_runs, at);
		time_it(&byte, bounce, at);
		munmap(at, NPAGES * PAGE);
	}
	printf("us a page: first touch %.1f, out %.1f, lone touch %.1f, touch "
	       "in order %.1f, home in runs of %lu %.1f; a byte there and "
	       "back %.1f\n",
	       first, leave, lone, order, RUN, run, byte);
	CHECK(lone <= 8 * first + byte * 4);
	CHECK(order <= 8 * first);
	CHECK(run <= 2.5 * first);
	return 0;
}
