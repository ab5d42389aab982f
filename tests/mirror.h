/* SPDX-License-Identifier: MIT */
/*
 * mirror.h - a device's page table that a test holds in its hand, with an entry
 * for each page of one range, and what it was told.
 */
#ifndef UHMM_TEST_MIRROR_H
#define UHMM_TEST_MIRROR_H

#include <pthread.h>

#include <uhmm/mirror.h>

#include "device.h"

#define TABLE_PAGES 4096

/*
 * @told: times it was told, by reason; @last: the last one
 * @fail: what map() answers, once
 * @called: called in map()
 * @hold: map() waits, until test_futex_set(&hold, 0); @waiting: it does
 */
struct test_table {
	pthread_mutex_t lock;
	uintptr_t start;
	uhmm_pfn_t pfn[TABLE_PAGES];
	_Atomic unsigned told[UHMM_NOTIFY_RELEASE + 1];
	_Atomic unsigned maps;
	_Atomic int fail;
	void (*called)(void);
	_Atomic uint32_t hold, waiting;
	struct uhmm_mirror *mirror;
};

static inline int test_table_map(void *priv, uintptr_t start,
				 const uhmm_pfn_t *pfns, size_t npages)
{
	struct test_table *t = priv;
	size_t first = (start - t->start) / PAGE;
	int fail = atomic_exchange(&t->fail, 0);

	atomic_fetch_add(&t->maps, 1);
	if (t->called)
		t->called();
	if (atomic_load(&t->hold)) {
		test_futex_set(&t->waiting, 1);
		test_futex_wait(&t->hold, 1);
	}
	if (fail)
		return fail;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < npages && first + i < TABLE_PAGES; i++)
		t->pfn[first + i] = pfns[i];
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static inline void test_table_invalidate(void *priv, uintptr_t start,
					 uintptr_t end, enum uhmm_notify why)
{
	struct test_table *t = priv;
	uintptr_t last = t->start + TABLE_PAGES * PAGE;

	atomic_fetch_add(&t->told[why], 1);
	start = start > t->start ? start : t->start;
	end = end < last ? end : last;
	pthread_mutex_lock(&t->lock);
	for (; start < end; start += PAGE)
		t->pfn[(start - t->start) / PAGE] = 0;
	pthread_mutex_unlock(&t->lock);
}

static const struct uhmm_mirror_ops test_table_ops = {
	.size = sizeof(test_table_ops),
	.map = test_table_map,
	.invalidate = test_table_invalidate,
};

/* Mirrors all addresses, and keeps entries for the first TABLE_PAGES at @p. */
static inline void test_mirror(struct uhmm *u, struct test_table *t,
			       const void *p, struct uhmm_device *dev)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	t->start = (uintptr_t)p;
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, dev, &test_table_ops, t,
				 &t->mirror),
		 0);
}

static inline void test_fault(struct test_table *t, void *p, size_t npages,
			      unsigned flags)
{
	CHECK_EQ(uhmm_mirror_fault(t->mirror, p, npages * PAGE, flags), 0);
}

/* Entries with all of @bits among the @npages at @p. */
static inline size_t test_entries(struct test_table *t, const void *p,
				  size_t npages, uhmm_pfn_t bits)
{
	size_t first = ((uintptr_t)p - t->start) / PAGE, n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < npages; i++)
		n += (t->pfn[first + i] & bits) == bits;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static inline uhmm_pfn_t test_entry(struct test_table *t, const void *p)
{
	uhmm_pfn_t pfn;

	pthread_mutex_lock(&t->lock);
	pfn = t->pfn[((uintptr_t)p - t->start) / PAGE];
	pthread_mutex_unlock(&t->lock);
	return pfn;
}

#endif
