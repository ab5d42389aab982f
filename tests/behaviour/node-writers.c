// SPDX-License-Identifier: MIT
/*
 * Threads count up words of pages that go to a NUMA node and back all the
 * while: no step is lost, and none of them ever faults.
 */
#include <pthread.h>

#include "../node.h"

#define NPAGES	600
#define WRITERS 2
#define ROUNDS	40

static struct uhmm *u;
static char *p;
static _Atomic bool done;

/* A writer has a word of its own in each page. */
static volatile uint64_t *word_of(size_t page, size_t writer)
{
	return (volatile uint64_t *)(p + page * PAGE) + writer * 9;
}

static void *write_all(void *arg)
{
	size_t writer = (size_t)arg;
	uint64_t step = 0;

	while (!atomic_load(&done)) {
		for (size_t i = 0; i < NPAGES; i++) {
			CHECK_EQ(*word_of(i, writer), step);
			*word_of(i, writer) = step + 1;
		}
		step++;
	}
	return (void *)step;
}

int main(void)
{
	pthread_t thread[WRITERS];
	struct uhmm_device *dev;
	size_t went = 0;
	void *steps;

	u = test_open();
	dev = test_node_device(u, "64M");
	p = test_map_blocks(2); /* a neighbour would be managed, too */
	memset(p, 0, NPAGES * PAGE);
	for (size_t i = 0; i < WRITERS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, write_all, (void *)i),
			 0);
	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n = uhmm_migrate(u, p, NPAGES * PAGE, dev);

		CHECK(n >= 0);
		went += (size_t)n;
		CHECK_EQ(test_info(dev).used, n);
		CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
		CHECK_EQ(test_info(dev).used, 0);
	}
	atomic_store(&done, true);
	for (size_t i = 0; i < WRITERS; i++) {
		CHECK_EQ(pthread_join(thread[i], &steps), 0);
		for (size_t k = 0; k < NPAGES; k++)
			CHECK_EQ(*word_of(k, i), (uint64_t)steps);
	}
	CHECK(went > ROUNDS * NPAGES / 2);
	CHECK_EQ(test_stats(u).faults + test_stats(u).zero_faults, 0);
	test_close(u);
	return 0;
}
