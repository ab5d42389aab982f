// SPDX-License-Identifier: MIT
/*
 * While one thread has a range managed, another moves a part of it to memory
 * that the CPU uses in place.  That part is as good as if it had been alone: a
 * discard takes what was there before, and nothing that was written after it.
 */
#include <pthread.h>

#include "../context.h"

#define ROUNDS 60
#define NPAGES 16

static pthread_barrier_t both;
static atomic_bool managed;
static struct uhmm *u;

static void *have_managed(void *p)
{
	pthread_barrier_wait(&both);
	CHECK_EQ(uhmm_register(u, p, BLOCK), 0);
	managed = true;
	return NULL;
}

/* Keep the address space changing: a range is then hard to take in. */
static void *make_noise(void *p)
{
	while (!managed)
		CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	return NULL;
}

static void check_discards(char *p)
{
	for (unsigned i = 0; i < NPAGES; i++) {
		volatile char *at = p + i * PAGE;

		*at = 1;
		CHECK_EQ(madvise(p + i * PAGE, PAGE, MADV_DONTNEED), 0);
		CHECK_EQ(*at, 0);
		*at = 2;
	}
	for (unsigned i = 0; i < NPAGES; i++)
		CHECK_EQ(p[i * PAGE], 2);
}

/* Pages that are busy for the moment are asked again. */
static void move_all(char *p, struct uhmm_device *dev)
{
	ssize_t n;

	for (ssize_t moved = 0; moved < NPAGES; moved += n) {
		n = uhmm_migrate(u, p, NPAGES * PAGE, dev);
		CHECK(n >= 0);
	}
}

static void run_once(char *noisy, struct uhmm_device *dev)
{
	char *p = test_map_blocks(1);
	pthread_t t, noise;

	test_fill(p, NPAGES, 1);
	managed = false;
	CHECK_EQ(pthread_create(&noise, NULL, make_noise, noisy), 0);
	CHECK_EQ(pthread_create(&t, NULL, have_managed, p), 0);
	pthread_barrier_wait(&both);
	move_all(p, dev);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(pthread_join(noise, NULL), 0);
	test_verify(p, NPAGES, 1);
	check_discards(p);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

int main(void)
{
	char *noisy = test_map_blocks(1);
	struct uhmm_device *dev;

	u = test_open();
	dev = test_device(u, "dax:4M");
	CHECK_EQ(uhmm_register(u, noisy, BLOCK), 0);
	CHECK_EQ(pthread_barrier_init(&both, NULL, 2), 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		run_once(noisy, dev);
	test_close(u);
	return 0;
}
