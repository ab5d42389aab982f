// SPDX-License-Identifier: MIT
/*
 * free(3) gives memory back to the kernel while it holds the lock of malloc:
 * an unmap event that nobody may answer with a malloc of his own.  Managed
 * chunks come and go while the heap migrates; nothing hangs or is lost.
 */
#include <malloc.h>
#include <pthread.h>

#include "../context.h"

#define NCHUNKS 64
#define SMALL	(40 * PAGE)

static struct uhmm *u;
static struct uhmm_device *dev;
static atomic_bool stop;
static _Atomic uintptr_t low, high;

/* Maps and unmaps by itself only what is large; the heap grows and shrinks. */
static void *mover(void *arg)
{
	(void)arg;
	while (!stop) {
		uintptr_t from = low, to = high;
		ssize_t n;

		if (from >= to) {
			sched_yield();
			continue;
		}
		n = uhmm_migrate(u, (void *)from, to - from, dev);
		/* unmapped; there for a moment, or again, while it looked */
		if (n < 0 && n != -ENOMEM && n != -EBUSY)
			CHECK_EQ(n, -EOPNOTSUPP);
	}
	return NULL;
}

static void round_of_chunks(uint64_t round)
{
	static char *chunk[NCHUNKS];
	uintptr_t first, last;

	for (size_t i = 0; i < NCHUNKS; i++) {
		chunk[i] = malloc(SMALL);
		CHECK(chunk[i]);
		for (size_t k = 0; k < SMALL; k += 512)
			*(uint64_t *)(chunk[i] + k) = test_word(round + i, k);
	}
	first = ((uintptr_t)chunk[0] + PAGE) & ~(PAGE - 1);
	last = (uintptr_t)sbrk(0) & ~(PAGE - 1);
	low = first < last ? first : 0;
	high = first < last ? last : 0;
	for (size_t i = NCHUNKS; i-- > 0;) {
		for (size_t k = 0; k < SMALL; k += 512)
			CHECK_EQ(*(uint64_t *)(chunk[i] + k),
				 test_word(round + i, k));
		free(chunk[i]); /* the last first: the heap shrinks */
	}
}

int main(void)
{
	uint64_t rounds = test_is_soak() ? 2000 : 20;
	pthread_t t;

	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 4096);
	mallopt(M_TOP_PAD, 0);
	u = test_open();
	dev = test_device(u, "ram:64M");
	CHECK_EQ(pthread_create(&t, NULL, mover, NULL), 0);
	for (uint64_t i = 0; i < rounds || !test_info(dev).pages_in; i++)
		round_of_chunks(i);
	stop = true;
	pthread_join(t, NULL);
	test_close(u);
	return 0;
}
