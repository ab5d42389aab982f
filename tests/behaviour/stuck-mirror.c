// SPDX-License-Identifier: MIT
/*
 * The callback of a mirror does not return: the log says which one, and that it
 * came back.
 */
#include <pthread.h>
#include <uhmm/mirror.h>

#include "../stuck.h"

static _Atomic uint32_t hold_map, hold_invalidate;
static struct uhmm_mirror *mirror;
static char *p;

static int map(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	CHECK_EQ(start, p);
	CHECK_EQ(npages, 1);
	CHECK(pfns[0] & UHMM_PFN_VALID);
	(void)priv;
	test_futex_wait(&hold_map, 1);
	return 0;
}

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	(void)priv;
	CHECK(start < end);
	if (why != UHMM_NOTIFY_RELEASE)
		test_futex_wait(&hold_invalidate, 1);
}

static const struct uhmm_mirror_ops mirror_ops = {
	.size = sizeof(mirror_ops),
	.map = map,
	.invalidate = invalidate,
};

static void *faulter(void *arg)
{
	CHECK_EQ(uhmm_mirror_fault(mirror, arg, PAGE, 0), 0);
	return NULL;
}

static void *discarder(void *arg)
{
	CHECK_EQ(madvise(arg, PAGE, MADV_DONTNEED), 0);
	return NULL;
}

/* @release: what the callback waits for */
static void check(void *(*fn)(void *), _Atomic uint32_t *release,
		  const char *what)
{
	char stuck[64], ended[64];
	pthread_t thread;

	snprintf(stuck, sizeof(stuck), "%s() of addresses from %p on has been",
		 what, (void *)p);
	snprintf(ended, sizeof(ended), "%s() of addresses from %p on has ended",
		 what, (void *)p);
	test_futex_set(release, 1);
	CHECK_EQ(pthread_create(&thread, NULL, fn, p), 0);
	test_hear("mirror 1: ", stuck);
	test_hear("mirror 1: ", stuck); /* again when it is older */
	atomic_store(&test_waiter, NULL);
	atomic_store(&test_what, ended);
	atomic_store(&test_heard, 0);
	atomic_store(&test_waiter, "mirror 1: ");
	test_futex_set(release, 0);
	test_futex_wait(&test_heard, 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void)
{
	struct uhmm *u = test_open_heard();

	p = test_map(1);
	test_fill(p, 1, 1);
	CHECK_EQ(uhmm_register(u, p, PAGE), 0);
	CHECK_EQ(uhmm_mirror_add(u, p, PAGE, NULL, &mirror_ops, NULL, &mirror),
		 0);
	check(faulter, &hold_map, "map");
	check(discarder, &hold_invalidate, "invalidate");
	CHECK_EQ(uhmm_mirror_remove(mirror), 0);
	test_close(u);
	return 0;
}
