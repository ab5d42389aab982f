// SPDX-License-Identifier: MIT
/*
 * Many threads touch one page that is away, at the same moment: it is copied
 * once, and each of them sees the data.
 */
#include "../device.h"

#define NTHREADS 16
#define ROUNDS	 50

static char *p;
static uint64_t round_nr;
static pthread_barrier_t start;

static void *toucher(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&start);
		CHECK_EQ(*(volatile uint64_t *)p, test_word(round_nr, 0));
		pthread_barrier_wait(&start);
	}
	return NULL;
}

int main(void)
{
	static struct test_ops ops;
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 16);
	pthread_t t[NTHREADS];

	p = test_map_blocks(1);
	pthread_barrier_init(&start, NULL, NTHREADS + 1);
	for (int i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, toucher, NULL), 0);
	for (round_nr = 0; round_nr < ROUNDS; round_nr++) {
		test_fill(p, 1, round_nr);
		/* A handler thread may read a fault late, and take it back. */
		while (uhmm_migrate(u, p, PAGE, dev) != 1)
			;
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&start);
		CHECK_EQ(ops.out, round_nr + 1);
	}
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	test_close(u);
	return 0;
}
