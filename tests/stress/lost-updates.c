// SPDX-License-Identifier: MIT
/*
 * Threads count up while another one moves the pages of their counters to a
 * device and back: no increment is lost.  A naive mover, which copies, drops
 * and copies back, loses some, so that the test is known to be able to fail.
 */
#include <pthread.h>

#include "../context.h"

#define NTHREADS 3
#define NPAGES	 96
#define NCOUNTS	 128 /* a thread; in different pages */
#define BURST	 512

static char *area;
static atomic_int running;
static uint64_t rounds;

/* Not atomic: each counter has one owner, and one mover that must not write. */
static volatile uint64_t *counter(size_t thread, size_t i)
{
	size_t page = i * 7 % NPAGES;

	return (uint64_t *)(area + page * PAGE) + i / NPAGES * 64 + thread * 16;
}

static void *increment(void *arg)
{
	size_t thread = (size_t)(uintptr_t)arg;

	for (uint64_t r = 0; r < rounds; r++) {
		volatile uint64_t *c = counter(thread, r % NCOUNTS);

		for (int i = 0; i < BURST; i++)
			(*c)++;
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* Return: increments that are missing. */
static uint64_t count_while(void (*move)(void *arg), void *arg)
{
	uint64_t sum = 0;
	pthread_t t[NTHREADS];

	running = NTHREADS;
	for (size_t i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, increment, (void *)i), 0);
	while (running)
		move(arg);
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 0; i < NTHREADS; i++)
		for (size_t k = 0; k < NCOUNTS; k++)
			sum += *counter(i, k);
	return NTHREADS * rounds * BURST - sum;
}

static void move_naively(void *arg)
{
	static char copy[MAX_PAGE];
	static size_t page;
	char *p = area + page++ % NPAGES * PAGE;

	(void)arg;
	memcpy(copy, p, PAGE);
	madvise(p, PAGE, MADV_DONTNEED);
	memcpy(p, copy, PAGE);
}

struct mover {
	struct uhmm *u;
	struct uhmm_device *dev;
	uint64_t seed, moved;
};

/* All, some and single pages; home by request or, mostly, by a touch. */
static void move(void *arg)
{
	struct mover *m = arg;
	size_t first = 0, n = NPAGES;
	ssize_t ret;

	if (test_random(&m->seed) % 2) {
		first = test_below(&m->seed, NPAGES);
		n = 1 + test_below(&m->seed, NPAGES - first);
	}
	ret = uhmm_migrate(m->u, area + first * PAGE, n * PAGE, m->dev);
	CHECK(ret >= 0);
	m->moved += (uint64_t)ret;
	if (test_random(&m->seed) % 4 == 0)
		CHECK(uhmm_migrate(m->u, area + first * PAGE, n * PAGE, NULL) >=
		      0);
}

int main(void)
{
	uint64_t total = test_is_soak() ? UINT64_C(1100000000) :
					  UINT64_C(200000000);
	struct mover m = { .seed = test_seed() };
	uint64_t lost = 0;

	area = test_map_blocks(1);
	for (int i = 0; i < 200 && !lost; i++) {
		rounds = 2000;
		memset(area, 0, NPAGES * PAGE);
		lost = count_while(move_naively, NULL);
	}
	CHECK(lost > 0);

	rounds = total / NTHREADS / BURST;
	memset(area, 0, NPAGES * PAGE);
	m.u = test_open();
	m.dev = test_any_device(m.u, "ram:16M");
	CHECK_EQ(count_while(move, &m), 0);
	CHECK(m.moved > NPAGES);
	test_close(m.u);
	return 0;
}
