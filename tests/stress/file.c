// SPDX-License-Identifier: MIT
/*
 * Threads count up in memory that is a file's, under a limit on RAM, while its
 * pages are written back, dropped, moved to a device, and forgotten: no
 * increment is lost in memory, and none in the file at the end.  A count in the
 * file after a sync is not less than it was in memory before.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../file.h"

#define NWRITERS 3
#define NPAGES	 256
#define LIMIT	 128
#define BURST	 64
#define SLOT	 64 /* words of a page that are one writer's */

static struct uhmm *u;
static struct uhmm_device *dev;
static char *mem;
static int fd;
static atomic_bool stop;
static uint64_t counts[NWRITERS][NPAGES];
static uint64_t seeds[NWRITERS + 3];

static _Atomic uint64_t *counter(size_t writer, size_t page)
{
	return (_Atomic uint64_t *)(mem + page * PAGE) + writer * SLOT;
}

static void *increment(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;

	while (!stop) {
		size_t page = test_below(&seeds[me], NPAGES);
		_Atomic uint64_t *c = counter(me, page);

		CHECK_EQ(atomic_load(c), counts[me][page]);
		for (int i = 0; i < BURST; i++)
			atomic_fetch_add(c, 1);
		counts[me][page] += BURST;
	}
	return NULL;
}

static void *move(void *arg)
{
	uint64_t *seed = arg;

	while (!stop) {
		size_t first = test_below(seed, NPAGES);
		size_t n = 1 + test_below(seed, NPAGES - first);

		if (!test_below(seed, 4))
			uhmm_file_refresh(u, mem + first * PAGE, n * PAGE);
		else
			uhmm_migrate(u, mem + first * PAGE, n * PAGE,
				     test_below(seed, 3) ? dev : NULL);
	}
	return NULL;
}

static uint64_t in_file(size_t writer, size_t page)
{
	uint64_t is;

	CHECK_EQ(pread(fd, &is, sizeof(is),
		       (off_t)(page * PAGE + writer * SLOT * sizeof(is))),
		 (ssize_t)sizeof(is));
	return is;
}

static void *write_back(void *arg)
{
	uint64_t *seed = arg;

	while (!stop) {
		size_t page = test_below(seed, NPAGES);
		size_t writer = test_below(seed, NWRITERS);
		uint64_t was = atomic_load(counter(writer, page));
		size_t n = 1 + test_below(seed, NPAGES - page);

		CHECK_EQ(uhmm_file_sync(u, mem + page * PAGE, n * PAGE,
					test_below(seed, 2) ? MS_SYNC :
							      MS_ASYNC),
			 0);
		CHECK(in_file(writer, page) >= was);
	}
	return NULL;
}

static void run(void)
{
	void *(*fn[])(void *) = { move, write_back, write_back };
	struct timespec time = { test_is_soak() ? 600 : 3, 0 };
	pthread_t t[NWRITERS + 3];

	for (size_t i = 0; i < NWRITERS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, increment, (void *)i), 0);
	for (size_t i = NWRITERS; i < NWRITERS + 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fn[i - NWRITERS],
					&seeds[i]),
			 0);
	nanosleep(&time, NULL);
	stop = true;
	for (size_t i = 0; i < NWRITERS + 3; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	struct uhmm_params params = { .ram_limit = LIMIT * PAGE };
	uint64_t seed = test_seed();

	u = test_open_with(params);
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "ram:2M");
	for (size_t i = 0; i < NWRITERS + 3; i++)
		seeds[i] = test_random(&seed);
	fd = test_file(NPAGES, 1);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(ftruncate(fd, (off_t)(NPAGES * PAGE)), 0);
	mem = test_map_file(u, fd, 0, NPAGES, RW);
	run();
	for (size_t i = 0; i < NWRITERS; i++)
		for (size_t k = 0; k < NPAGES; k++)
			CHECK_EQ(atomic_load(counter(i, k)), counts[i][k]);
	CHECK_EQ(uhmm_unmap_file(u, mem), 0);
	for (size_t i = 0; i < NWRITERS; i++)
		for (size_t k = 0; k < NPAGES; k++)
			CHECK_EQ(in_file(i, k), counts[i][k]);
	test_close(u);
	return 0;
}
