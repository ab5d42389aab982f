// SPDX-License-Identifier: MIT
/*
 * Threads write, discard and reread their memory while two others move it to
 * a device and back, with several handlers: after a discard all reads zero,
 * after a write all reads what was written.
 */
#include <pthread.h>

#include "../context.h"

#define NTHREADS 2
#define PART	 24
#define NPAGES	 (NTHREADS * PART)

static char *area;
static atomic_int running;
static struct uhmm *u;
static struct uhmm_device *dev;
static uint64_t cycles, base;

/* One word a line is enough, and lets more cycles be run. */
static void fill(char *p, size_t npages, uint64_t seed)
{
	for (size_t i = 0; i < npages * PAGE; i += 512)
		*(volatile uint64_t *)(p + i) = test_word(seed, i);
}

static void verify(const char *p, size_t npages, uint64_t seed)
{
	for (size_t i = 0; i < npages * PAGE; i += 512)
		CHECK_EQ(*(const volatile uint64_t *)(p + i),
			 test_word(seed, i));
}

static void verify_zero(const char *p, size_t npages)
{
	for (size_t i = 0; i < npages * PAGE; i += 512)
		CHECK_EQ(*(const volatile uint64_t *)(p + i), 0);
}

static void *owner(void *arg)
{
	char *p = area + (uintptr_t)arg * PART * PAGE;
	uint64_t seed = base + (uintptr_t)arg;

	for (uint64_t i = 0; i < cycles || !test_stats(u).discarded; i++) {
		size_t first = test_below(&seed, PART);
		size_t n = 1 + test_below(&seed, PART - first);

		fill(p, PART, i);
		if (i % 2)
			verify(p, PART, i);
		CHECK_EQ(madvise(p + first * PAGE, n * PAGE, MADV_DONTNEED), 0);
		verify_zero(p + first * PAGE, n);
		fill(p + first * PAGE, n, i + 1);
		verify(p + first * PAGE, n, i + 1);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void *mover(void *arg)
{
	uint64_t seed = base + 100 + (uintptr_t)arg;

	while (running) {
		size_t first = test_below(&seed, NPAGES);
		size_t n = 1 + test_below(&seed, NPAGES - first);
		bool home = test_random(&seed) % 3 == 0;

		CHECK(uhmm_migrate(u, area + first * PAGE, n * PAGE,
				   home ? NULL : dev) >= 0);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[NTHREADS], m[2];

	base = test_seed();
	cycles = test_is_soak() ? 60000 : 1500;
	u = test_open_with((struct uhmm_params){ .nr_threads = 4 });
	dev = test_any_device(u, "ram:16M");
	area = test_map_blocks(1);
	running = NTHREADS;
	for (size_t i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, owner, (void *)i), 0);
	for (size_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&m[i], NULL, mover, (void *)i), 0);
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 0; i < 2; i++)
		pthread_join(m[i], NULL);
	CHECK(test_info(dev).pages_in > 0);
	CHECK(test_stats(u).discarded > 0);
	test_close(u);
	return 0;
}
