/* SPDX-License-Identifier: MIT */
/*
 * region.c - which addresses are managed.
 *
 * Regions lie in a skip list, sorted, disjoint, merged where they touch.
 * Readers walk it without a lock: a node is linked bottom-up after it is
 * complete, and unlinked top-down, so that each level is a sorted list at every
 * moment.  While a change is under way a reader may meet two nodes that
 * overlap; they say the same.  Writers hold the tree's lock.  An unlinked node
 * is freed after a grace period by region_reap().
 *
 * Readers count themselves in and out, with the phase in which they began; who
 * waits for them begins a new phase first.  All of that is the context's own:
 * readers of other threads do not live in the child of a fork(2), and whoever
 * waited for them there would wait for ever.
 */
#include <errno.h>

#include "core/core.h"

#define REAP_AT 64
#define NAP_NS	(20 * 1000)

/* ---- Readers ---------------------------------------------------------- */

/* Threads have stacks far apart: few share a counter. */
static _Atomic uint64_t *counter(struct region_tree *t, uint32_t phase)
{
	uintptr_t stack = (uintptr_t)__builtin_frame_address(0) >> 18;

	return &t->readers[phase & 1][stack % NR_READERS].n;
}

static _Atomic uint64_t *read_begin(struct region_tree *t)
{
	for (;;) {
		uint32_t phase = atomic_load(&t->phase);
		_Atomic uint64_t *n = counter(t, phase);

		atomic_fetch_add(n, 1);
		if (atomic_load(&t->phase) == phase)
			return n;
		atomic_fetch_sub(n, 1);
	}
}

static void read_end(_Atomic uint64_t *n)
{
	atomic_fetch_sub(n, 1);
}

/* Whoever reads from now on finds what is linked now. */
static void wait_for_readers(struct region_tree *t)
{
	_Atomic uint32_t nobody = 0;
	uint32_t phase;

	sys_mutex_lock(&t->reaping);
	phase = atomic_fetch_add(&t->phase, 1);
	for (unsigned i = 0; i < NR_READERS; i++)
		while (atomic_load(&t->readers[phase & 1][i].n))
			sys_futex_wait(&nobody, 0, NAP_NS);
	sys_mutex_unlock(&t->reaping);
}

/* ---- Walking ---------------------------------------------------------- */

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

static uintptr_t end_of(const struct region *r)
{
	return atomic_load_explicit(&r->end, memory_order_acquire);
}

bool region_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct region_tree *t = &u->regions;
	uintptr_t last = 0;
	_Atomic uint64_t *reading = read_begin(t);
	struct region *r;
	bool found;

	/*
	 * Each end is read once, for it may shrink at any moment; what it gave
	 * up then is in a node linked behind before.
	 */
	for (r = find_last(t, start); r; r = next_of(r, 0)) {
		last = r == &t->head ? 0 : end_of(r);
		if (last > start)
			break;
	}
	found = r && r->start < end;
	if (found) {
		*ret_start = r->start > start ? r->start : start;
		*ret_end = last < end ? last : end;
	}
	read_end(reading);
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
	uintptr_t s, e;

	set_clear(ret);
	while (start < end && region_next(u, start, end, &s, &e)) {
		set_add_run(ret, page_index(s), page_index(e - 1) + 1);
		start = e;
	}
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
static void find_path(struct region_tree *t, uintptr_t addr,
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

static int link_new(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *path[MAX_HEIGHT];
	struct region *r = slab_alloc(&t->slab);

	if (!r)
		return -ENOMEM;
	r->start = start;
	r->height = random_height(t);
	atomic_store_explicit(&r->end, end, memory_order_relaxed);
	find_path(t, start, path);
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

	find_path(t, r->start, path);
	for (int level = r->height - 1; level >= 0; level--)
		if (next_of(path[level], level) == r)
			atomic_store_explicit(&path[level]->next[level],
					      next_of(r, level),
					      memory_order_release);
	r->garbage = t->garbage;
	t->garbage = r;
	t->nr_garbage++;
}

/* Unlink every node that starts in (after, end]; the furthest end of them. */
static uintptr_t absorb(struct region_tree *t, struct region *after,
			uintptr_t end)
{
	struct region *n;

	while ((n = next_of(after, 0)) && n->start <= end) {
		if (end_of(n) > end)
			end = end_of(n);
		atomic_store_explicit(&after->end, end, memory_order_release);
		unlink_node(t, n);
	}
	return end;
}

static int add_locked(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *r = find_last(t, start);
	int err;

	if (r == &t->head || end_of(r) < start) {
		struct region *n = next_of(r, 0);

		if (n && n->start == start)
			r = n;
		else if ((err = link_new(t, start, end)))
			return err;
		r = find_last(t, start);
	}
	if (end_of(r) < end)
		atomic_store_explicit(&r->end, end, memory_order_release);
	absorb(t, r, end_of(r));
	return 0;
}

int region_add(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err;

	sys_mutex_lock(&u->regions.lock);
	err = add_locked(&u->regions, start, end);
	sys_mutex_unlock(&u->regions.lock);
	return err;
}

static int del_locked(struct region_tree *t, uintptr_t start, uintptr_t end)
{
	struct region *r = find_last(t, start);

	if (r == &t->head || end_of(r) <= start)
		r = next_of(r, 0);
	while (r && r->start < end) {
		uintptr_t last = end_of(r);

		if (last > end && link_new(t, end, last))
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

int region_del(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err;

	sys_mutex_lock(&u->regions.lock);
	err = del_locked(&u->regions, start, end);
	sys_mutex_unlock(&u->regions.lock);
	return err;
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
	wait_for_readers(t);
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
