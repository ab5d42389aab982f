// SPDX-License-Identifier: MIT
/*
 * Several threads discard and rewrite their memory while another migrates it,
 * with as many handlers as CPUs and with one: nobody waits for ever, and each
 * reads zeroes after a discard and what it wrote after a write.
 */
#include <pthread.h>

#include "../context.h"

#define NTHREADS 3
#define PART	 64

static char *area;
static atomic_int running;

static void *discarder(void *arg)
{
	char *p = area + (uintptr_t)arg * PART * PAGE;
	uint64_t rounds = test_is_soak() ? 20000 : 150;

	for (uint64_t i = 0; i < rounds; i++) {
		test_fill(p, PART, i);
		test_verify(p, PART, i);
		CHECK_EQ(madvise(p, PART * PAGE, MADV_DONTNEED), 0);
		test_verify_zero(p, PART);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void run(unsigned nr_threads)
{
	struct uhmm_params params = { .nr_threads = nr_threads };
	struct uhmm *u = test_open_with(params);
	struct uhmm_device *dev = test_device(u, "ram:16M");
	pthread_t t[NTHREADS];

	area = test_map(NTHREADS * PART);
	running = NTHREADS;
	for (size_t i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, discarder, (void *)i), 0);
	while (running) {
		CHECK(uhmm_migrate(u, area, NTHREADS * PART * PAGE, dev) >= 0);
		CHECK(uhmm_migrate(u, area, NTHREADS * PART * PAGE, NULL) >= 0);
	}
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	CHECK(test_stats(u).to_device > 0);
	munmap(area, NTHREADS * PART * PAGE);
	test_close(u);
}

int main(void)
{
	run(0);
	run(1);
	return 0;
}
