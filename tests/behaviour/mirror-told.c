// SPDX-License-Identifier: MIT
/*
 * uhmm_snapshot() returns when mirrors were told of all that was unmapped or
 * discarded before, on any thread: not while a callback that tells of it runs.
 */
#include <pthread.h>

#include "../mirror.h"
#include "../stuck.h"

static _Atomic uint32_t hold, told;
static _Atomic bool asked;
static struct uhmm *u;
static char *p, *q;

static int map(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	(void)priv;
	CHECK(start && pfns && npages);
	return 0;
}

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	(void)priv;
	if (why == UHMM_NOTIFY_RELEASE)
		return;
	CHECK(start < end);
	test_futex_wait(&hold, 1);
	told++;
}

static const struct uhmm_mirror_ops mirror_ops = {
	.size = sizeof(mirror_ops),
	.map = map,
	.invalidate = invalidate,
};

static void *discard(void *arg)
{
	(void)arg;
	CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	return NULL;
}

static void *unmap(void *arg)
{
	(void)arg;
	CHECK_EQ(munmap(p, PAGE), 0);
	return NULL;
}

/* Of other memory. */
static void *ask(void *arg)
{
	uhmm_pfn_t pfn;

	(void)arg;
	CHECK_EQ(uhmm_snapshot(u, q, PAGE, &pfn), 0);
	CHECK_EQ(told, 1);
	atomic_store(&asked, true);
	return NULL;
}

/* @change returns while the callback still runs. */
static void check(void *(*change)(void *))
{
	pthread_t changer, asker;

	hold = 1;
	told = 0;
	asked = false;
	CHECK_EQ(pthread_create(&changer, NULL, change, NULL), 0);
	test_hear("mirror 1: ", "invalidate() ");
	CHECK_EQ(pthread_join(changer, NULL), 0);
	CHECK_EQ(pthread_create(&asker, NULL, ask, NULL), 0);
	test_hear("uhmm_snapshot() has been waiting for ", "an event to be ");
	CHECK(!asked);
	test_futex_set(&hold, 0);
	CHECK_EQ(pthread_join(asker, NULL), 0);
}

int main(void)
{
	struct uhmm_mirror *mirror;

	u = test_open_heard();
	p = test_map_blocks(1);
	q = test_map(1);
	test_fill(p, 2, 1);
	test_fill(q, 1, 2);
	CHECK_EQ(uhmm_register(u, p, 2 * PAGE), 0);
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, NULL, &mirror_ops, NULL, &mirror),
		 0);
	check(discard);
	check(unmap);
	CHECK_EQ(uhmm_mirror_remove(mirror), 0);
	test_close(u);
	return 0;
}
