/* SPDX-License-Identifier: MIT */
/*
 * region.c - which addresses are managed.
 *
 * Regions lie in a skip list, sorted, disjoint, merged where they touch.
 * Readers walk it under rcu_read_lock() and nothing else: a node is linked
 * bottom-up after it is complete, and unlinked top-down, so that each level is
 * a sorted list at every moment.  While a change is under way a reader may meet
 * two nodes that overlap; both say that their addresses are managed.  Writers
 * hold the tree's lock.  An unlinked node is freed after a grace period by
 * region_reap().
 */
#include <errno.h>

#ifndef __SANITIZE_ADDRESS__ /* its inline functions misalign, says UBSan */
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>

#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/region.h"
#include "core/page/slab.h"

#define REAP_AT 64

/*
 * A grace period orders all reads before the reaper's writes.  ThreadSanitizer
 * does not see that, so this states the order in terms that ThreadSanitizer
 * knows.
 */
#ifdef __SANITIZE_THREAD__
static _Atomic int tsan_grace;
#define READ_ENDS() \
	atomic_fetch_add_explicit(&tsan_grace, 0, memory_order_release)
#define GRACE_ENDS() atomic_load_explicit(&tsan_grace, memory_order_acquire)
#else
#define READ_ENDS()  ((void)0)
#define GRACE_ENDS() ((void)0)
#endif

static struct region *next_of(const struct region *r, int level)
{
	return atomic_load_explicit(&r->next[level], memory_order_acquire);
}

/* The last node that starts at or before @addr; the head if there is none. */
static struct region *find_last(struct region_tree *t, uintptr_t addr)
{
	struct region *r = &t->head;

	for (int level = MAX_HEIGHT - 1; level >= 0; level--) {
		struct region *n;

		while ((n = next_of(r, level)) && n->start <= addr)
			r = n;
	}
	return r;
}

static uintptr_t region_end(const struct region *r)
{
	return atomic_load_explicit(&r->end, memory_order_acquire);
}

bool region_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct region_tree *t = &u->regions;
	uintptr_t last = 0;
	struct region *r;
	bool found;

	rcu_read_lock();
	/*
	 * Each end is read once, because a writer may shrink it at any moment.
	 * The writer has linked a node with the addresses behind before it
	 * shrinks the end.
	 */
	for (r = find_last(t, start); r; r = next_of(r, 0)) {
		last = r == &t->head ? 0 : region_end(r);
		if (last > start)
			break;
	}
	found = r && r->start < end;
	if (found) {
		*ret_start = r->start > start ? r->start : start;
		*ret_end = last < end ? last : end;
	}
	READ_ENDS();
	rcu_read_unlock();
	return found;
}

bool region_covers(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	uintptr_t s, e;

	return region_next(u, start, end, &s, &e) && s == start && e == end;
}

/* The managed pages of [start, end), which lies in one block. */
void region_set(struct uhmm *u, uintptr_t start, uintptr_t end,
		struct mm_set *ret)
{
	set_clear(ret);
	region_for_each(u, start, end, s, e)
		set_add_run(ret, page_index(s), page_index(e - 1) + 1);
}

void block_managed(struct uhmm *u, const struct block *b, struct mm_set *ret)
{
	region_set(u, b->va, b->va + MM_BLOCK_SIZE, ret);
}

/* ---- Writers ---------------------------------------------------------- */

static int random_height(struct region_tree *t)
{
	int height = 1;

	t->seed = t->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	for (uint64_t r = t->seed >> 32; r & 3 && height < MAX_HEIGHT; r >>= 2)
		if ((r & 3) == 3)
			height++;
		else
			break;
	return height;
}

/* The last node before @addr on each level. */
static void find_region_path(struct region_tree *t, uintptr_t addr,
			     struct region *path[MAX_HEIGHT])
{
	struct region *r = &t->head;

	for (int level = MAX_HEIGHT - 1; level >= 0; level--) {
		struct region *n;

		while ((n = next_of(r, level)) && n->start < addr)
			r = n;
		path[level] = r;
	}
}

static int link_region(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *path[MAX_HEIGHT];
	struct region *r = slab_alloc(&t->slab);

	if (!r)
		return -ENOMEM;
	r->start = start;
	r->height = random_height(t);
	atomic_store_explicit(&r->end, end, memory_order_relaxed);
	find_region_path(t, start, path);
	for (int level = 0; level < r->height; level++)
		atomic_store_explicit(&r->next[level],
				      next_of(path[level], level),
				      memory_order_relaxed);
	for (int level = 0; level < r->height; level++)
		atomic_store_explicit(&path[level]->next[level], r,
				      memory_order_release);
	return 0;
}

static void unlink_node(struct region_tree *t, struct region *r)
{
	struct region *path[MAX_HEIGHT];

	find_region_path(t, r->start, path);
	for (int level = r->height - 1; level >= 0; level--)
		if (next_of(path[level], level) == r)
			atomic_store_explicit(&path[level]->next[level],
					      next_of(r, level),
					      memory_order_release);
	r->garbage = t->garbage;
	t->garbage = r;
	t->nr_garbage++;
}

/*
 * Unlink every node behind @after that starts at or before @end.  Return: the
 * highest end of these nodes, or @end.
 */
static uintptr_t absorb(struct region_tree *t, struct region *after,
			uintptr_t end)
{
	struct region *n;

	while ((n = next_of(after, 0)) && n->start <= end) {
		if (region_end(n) > end)
			end = region_end(n);
		atomic_store_explicit(&after->end, end, memory_order_release);
		unlink_node(t, n);
	}
	return end;
}

static int add_locked(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *r = find_last(t, start);
	int err;

	if (r == &t->head || region_end(r) < start) {
		struct region *n = next_of(r, 0);

		if (n && n->start == start)
			r = n;
		else if ((err = link_region(t, start, end)))
			return err;
		r = find_last(t, start);
	}
	if (region_end(r) < end)
		atomic_store_explicit(&r->end, end, memory_order_release);
	absorb(t, r, region_end(r));
	return 0;
}

typedef int change_fn(struct region_tree *t, uintptr_t start, uintptr_t end);

static int change_tree(struct uhmm *u, change_fn *fn, uintptr_t start,
		       uintptr_t end)
{
	int err;

	sys_mutex_lock(&u->regions.lock);
	err = fn(&u->regions, start, end);
	sys_mutex_unlock(&u->regions.lock);
	return err;
}

int region_add(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	return change_tree(u, add_locked, start, end);
}

static int cut_out(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *r = find_last(t, start);

	if (r == &t->head || region_end(r) <= start)
		r = next_of(r, 0);
	while (r && r->start < end) {
		uintptr_t last = region_end(r);

		if (last > end && link_region(t, end, last))
			return -ENOMEM;
		if (r->start < start)
			atomic_store_explicit(&r->end, start,
					      memory_order_release);
		else
			unlink_node(t, r);
		r = next_of(find_last(t, start), 0);
	}
	return 0;
}

/* Counts @dels after the change, and under the lock: see region_dels(). */
static int del_locked(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	int err = cut_out(t, start, end);

	atomic_fetch_add(&t->dels, 1);
	return err;
}

uint64_t region_dels(struct uhmm *u)
{
	uint64_t n;

	sys_mutex_lock(&u->regions.lock);
	n = atomic_load(&u->regions.dels);
	sys_mutex_unlock(&u->regions.lock);
	return n;
}

int region_del(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	return change_tree(u, del_locked, start, end);
}

int region_del_unborn(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct sys_mutex *birth = block_birth_mutex(u, start);
	int err = -EEXIST;

	sys_mutex_lock(&u->regions.lock);
	sys_mutex_lock(birth);
	if (!block_find(u, start))
		err = del_locked(&u->regions, start, end);
	sys_mutex_unlock(birth);
	sys_mutex_unlock(&u->regions.lock);
	return err;
}

void region_reader(void)
{
	rcu_read_lock();
	rcu_read_unlock();
}

void region_fork(void)
{
	urcu_bp_before_fork();
}

void region_forked(bool child)
{
	if (child)
		urcu_bp_after_fork_child();
	else
		urcu_bp_after_fork_parent();
}

void region_reap(struct uhmm *u)
{
	struct region_tree *t = &u->regions;
	struct region *list;

	sys_mutex_lock(&t->lock);
	list = t->nr_garbage >= REAP_AT ? t->garbage : NULL;
	if (list) {
		t->garbage = NULL;
		t->nr_garbage = 0;
	}
	sys_mutex_unlock(&t->lock);
	if (!list)
		return;
	synchronize_rcu();
	GRACE_ENDS();
	while (list) {
		struct region *r = list;

		list = r->garbage;
		slab_free(&t->slab, r);
	}
}

void region_destroy(struct uhmm *u)
{
	slab_destroy(&u->regions.slab);
}

/* ---- Ranges that callers give ------------------------------------------ */

int range_check(struct uhmm *u, const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;

	if (!u || !len || (start | len) & (MM_PAGE_SIZE - 1))
		return -EINVAL;
	if (start + len < start || (start + len - 1) >> VA_BITS)
		return -EINVAL;
	return 0;
}
