// SPDX-License-Identifier: MIT
/*
 * Threads count up, each by a view of its own, while the pages of their
 * counters go to a device and back: no increment is lost. A naive mover, which
 * copies, makes a hole and copies back, loses some, so that the test is known
 * to be able to fail.
 */
#include <pthread.h>

#include "../object.h"

#define NVIEWS 3
#define NPAGES 96
#define NTURNS 128
#define BURST  512

static char *view[NVIEWS];
static atomic_int running;
static uint64_t rounds;

static volatile uint64_t *counter(size_t by, size_t owner, size_t i)
{
	size_t page = i * 7 % NPAGES;

	return (uint64_t *)(view[by] + page * PAGE) + i / NPAGES * 64 +
	       owner * 16;
}

static void *increment(void *arg)
{
	size_t me = (size_t)(uintptr_t)arg;

	for (uint64_t r = 0; r < rounds; r++) {
		volatile uint64_t *c = counter(me, me, r % NTURNS);

		for (int i = 0; i < BURST; i++)
			(*c)++;
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* Return: increments that are missing, as the next view sees it. */
static uint64_t count_while(void (*move)(void *arg), void *arg)
{
	pthread_t t[NVIEWS];
	uint64_t sum = 0;

	running = NVIEWS;
	for (size_t i = 0; i < NVIEWS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, increment, (void *)i), 0);
	while (running)
		move(arg);
	for (size_t i = 0; i < NVIEWS; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 0; i < NVIEWS; i++)
		for (size_t k = 0; k < NTURNS; k++)
			sum += *counter((i + 1) % NVIEWS, i, k);
	return NVIEWS * rounds * BURST - sum;
}

static void move_naively(void *arg)
{
	static char copy[MAX_PAGE];
	static size_t page;
	size_t at = page++ % NPAGES * PAGE;

	(void)arg;
	memcpy(copy, view[0] + at, PAGE);
	madvise(view[0] + at, PAGE, MADV_REMOVE);
	memcpy(view[0] + at, copy, PAGE);
}

struct mover {
	struct uhmm *u;
	struct uhmm_device *dev;
	uint64_t seed, moved;
};

static void move(void *arg)
{
	struct mover *m = arg;
	char *p = view[test_below(&m->seed, NVIEWS)];
	size_t first = 0, n = NPAGES;
	ssize_t ret;

	if (test_random(&m->seed) % 2) {
		first = test_below(&m->seed, NPAGES);
		n = 1 + test_below(&m->seed, NPAGES - first);
	}
	ret = uhmm_migrate(m->u, p + first * PAGE, n * PAGE, m->dev);
	CHECK(ret >= 0);
	m->moved += (uint64_t)ret;
	if (test_random(&m->seed) % 4 == 0)
		CHECK(uhmm_migrate(m->u, p + first * PAGE, n * PAGE, NULL) >=
		      0);
	if (test_random(&m->seed) % 8 == 0)
		CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
}

static void map_views(struct uhmm_object *o)
{
	for (size_t i = 0; i < NVIEWS; i++)
		view[i] = test_view(o, 0, NPAGES, RW, 0);
}

/* On an object that is managed no more. */
static void can_fail(struct uhmm *u)
{
	struct uhmm_object *o = test_object(u, NPAGES);
	uint64_t lost = 0;

	map_views(o);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	rounds = 2000;
	for (int i = 0; i < 200 && !lost; i++) {
		memset(view[0], 0, NPAGES * PAGE);
		lost = count_while(move_naively, NULL);
	}
	CHECK(lost > 0);
}

int main(void)
{
	uint64_t total = test_is_soak() ? UINT64_C(1100000000) :
					  UINT64_C(100000000);
	struct mover m = { .seed = test_seed(), .u = test_open() };
	struct uhmm_object *o;

	can_fail(m.u);
	m.dev = test_any_device(m.u, "ram:16M");
	o = test_object(m.u, NPAGES);
	map_views(o);
	rounds = total / NVIEWS / BURST;
	CHECK_EQ(count_while(move, &m), 0);
	CHECK(m.moved > NPAGES);
	if (getenv("UHMM_TEST_LOG"))
		printf("%ju increments, %ju pages moved, none lost\n",
		       (uintmax_t)(rounds * NVIEWS * BURST),
		       (uintmax_t)m.moved);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_close(m.u);
	return 0;
}
