/* SPDX-License-Identifier: MIT */
/*
 * range.c - ranges begin to be managed.
 *
 * Memory is taken in lazily, in whole blocks as far as its mapping reaches, so
 * that neighbours merge and the kernel has few mappings to keep.
 *
 * DOC: Whole mappings
 *
 * If only a part of a mapping is managed, the kernel splits the mapping, and
 * mremap(2) of the program's whole mapping fails.  So a mapping is taken in
 * whole, unless it is large, because the library serves each first touch in
 * managed memory, which costs more.  Nor is it taken in whole where the library
 * cannot serve all uses of the memory nearby: a stack in inline mode, or a
 * buffer of a system call.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define MAX_EXTENTS 32
#define TRACK_TRIES 10000
#define LOOK_TRIES  8
#define WHOLE	    ((uintptr_t)64 << 20)

/* ---- Looking ---------------------------------------------------------- */

typedef int extent_fn(struct uhmm *u, const struct mm_extent *e, void *arg);

static int for_each_extent(struct uhmm *u, uintptr_t start, uintptr_t end,
			   extent_fn *fn, void *arg)
{
	struct mm_extent ext[MAX_EXTENTS];
	int err = 0;

	while (start < end && !err) {
		ssize_t n =
			u->mm->ops->survey(u->mm, start, end, ext, MAX_EXTENTS);

		if (n <= 0)
			return n ? (int)n : -EIO;
		for (ssize_t i = 0; i < n && !err; i++)
			err = fn(u, &ext[i], arg);
		start = ext[n - 1].end;
	}
	return err;
}

static int check_extent(struct uhmm *u, const struct mm_extent *e, void *arg)
{
	const bool *strict = arg;

	if (e->kind == MM_UNMAPPED)
		return -ENOMEM;
	if (e->kind != MM_UNSUPPORTED || !*strict)
		return 0;
	/* Where device memory is mapped, it is managed already. */
	return region_covers(u, e->start, e->end) ? 0 : -EOPNOTSUPP;
}

/*
 * Device memory that was there at the look may be unmapped by the program, and
 * managed no more, before the region is asked.  The next look finds what is
 * there instead.
 */
static int check_range(struct uhmm *u, uintptr_t start, uintptr_t end,
		       bool strict)
{
	int err = -EOPNOTSUPP;

	for (int i = 0; err == -EOPNOTSUPP && i < LOOK_TRIES; i++)
		err = for_each_extent(u, start, end, check_extent, &strict);
	return err;
}

/* ---- Taking in -------------------------------------------------------- */

/*
 * @start, @end: the range that the caller asked for
 * @strict: take in exactly that range, or nothing
 * @done: how far taking in has come, for undo()
 */
struct take {
	uintptr_t start, end;
	bool strict;
	uintptr_t first[MAX_EXTENTS], last[MAX_EXTENTS];
	unsigned n;
};

/*
 * mm_client.tracked: runs between two events, so that the range is known before
 * an event of it is applied.
 */
int core_tracked(void *priv, uintptr_t start, uintptr_t end)
{
	return region_add(priv, start, end);
}

/*
 * Track [start, end); try again while the address space is changing.  Return:
 * as track(); -EBUSY: it does not cease to change.
 */
static int track(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < TRACK_TRIES; tries++) {
		if (tries)
			sys_yield();
		err = u->mm->ops->track(u->mm, start, end);
	}
	return err == -EAGAIN ? -EBUSY : err;
}

static int track_gap(struct uhmm *u, struct take *t, uintptr_t start,
		     uintptr_t end)
{
	int err = track(u, start, end);

	if (err)
		return err;
	if (t->n && t->last[t->n - 1] == start) {
		t->last[t->n - 1] = end;
	} else if (t->n < MAX_EXTENTS) {
		t->first[t->n] = start;
		t->last[t->n++] = end;
	}
	return range_seed(u, start, end);
}

/* The parts of [start, end) that are not managed yet. */
static int track_gaps(struct uhmm *u, struct take *t, uintptr_t start,
		      uintptr_t end)
{
	uintptr_t s, e;
	int err = 0;

	while (start < end && !err) {
		if (!region_next(u, start, end, &s, &e))
			s = e = end;
		if (s > start)
			err = track_gap(u, t, start, s);
		start = e;
	}
	return err;
}

static int take_extent(struct uhmm *u, const struct mm_extent *e, void *arg)
{
	struct take *t = arg;
	uintptr_t start = e->start, end = e->end;
	int err;

	if (e->kind != MM_ANON || end <= t->start || start >= t->end)
		return 0;
	err = track_gaps(u, t, start, end);
	if (err && !t->strict) { /* something beside the range may fail */
		start = start > t->start ? start : t->start;
		end = end < t->end ? end : t->end;
		err = track_gaps(u, t, start, end);
	}
	return err == -EBUSY && !t->strict ? 0 : err;
}

/*
 * Give up ranges that were taken in, after an error with @strict.  Other
 * threads may have used them meanwhile.  Without @strict, taken ranges stay
 * managed, which changes nothing that the program sees.
 */
static void undo(struct uhmm *u, const struct take *t)
{
	for (unsigned i = 0; t->strict && i < t->n; i++)
		range_forget(u, t->first[i], t->last[i]);
}

/* Add the mapping of @addr to [*start, *end), if the mapping is small. */
static void add_mapping(struct uhmm *u, uintptr_t addr, uintptr_t *start,
			uintptr_t *end)
{
	const struct mm_ops *ops = u->mm->ops;
	struct mm_extent e;

	if (!u->mm->can_share || !ops->mapping ||
	    ops->mapping(u->mm, addr, &e) || e.end - e.start > WHOLE)
		return;
	*start = e.start < *start ? e.start : *start;
	*end = e.end > *end ? e.end : *end;
}

/* Widen the range to whole blocks, and to the whole mappings at its ends. */
static void widen(struct uhmm *u, uintptr_t *start, uintptr_t *end)
{
	const uintptr_t first = *start, last = *end - MM_PAGE_SIZE;

	*start &= ~(MM_BLOCK_SIZE - 1);
	*end = (*end + MM_BLOCK_SIZE - 1) & ~(MM_BLOCK_SIZE - 1);
	add_mapping(u, first, start, end);
	if (last != first)
		add_mapping(u, last, start, end);
}

/*
 * Manage [start, end).  @strict: all of it or nothing; otherwise as much as
 * possible, in whole blocks.  In inline mode the range is not widened: memory
 * nearby could be the stack of a thread, which cannot take a signal without
 * touching its stack. -ENOMEM: a part is unmapped, nothing was done.
 */
int range_take_in(struct uhmm *u, uintptr_t start, uintptr_t end, bool strict)
{
	struct take t = { .start = start, .end = end, .strict = strict };
	int err;

	if (region_covers(u, start, end))
		return 0;
	err = check_range(u, start, end, strict);
	if (err)
		return err;
	if (!strict && !u->mm->is_inline)
		widen(u, &start, &end);
	err = for_each_extent(u, start, end, take_extent, &t);
	if (err)
		undo(u, &t);
	region_reap(u);
	return err;
}

/* ---- Taking over ------------------------------------------------------ */

/*
 * Track @e.  Memory that is unmapped or belongs to another userfaultfd by now
 * is left out.
 */
static int inherit_extent(struct uhmm *u, const struct mm_extent *e, void *arg)
{
	int err = 0;

	(void)arg;
	if (e->kind == MM_ANON)
		err = track(u, e->start, e->end);
	return err == -ENOMEM || err == -EBUSY ? 0 : err;
}

/*
 * Parts may have been unmapped a moment ago, and memory of the library's own
 * may be there: so look at each extent.
 */
int range_inherit(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	return for_each_extent(u, start, end, inherit_extent, NULL);
}

/* ---- Accounting what is there ----------------------------------------- */

/*
 * The managed pages that are present.  Another thread may have unregistered
 * some since they were tracked.  A thread that unregisters them from now on
 * clears their words later, because the caller holds the block's lock.
 */
static int still_there(struct uhmm *u, uintptr_t va, unsigned first,
		       unsigned last, struct mm_set *there)
{
	struct mm_set managed;
	int err = u->mm->ops->resident(u->mm, va, first, last, there);

	region_set(u, va, va + MM_BLOCK_SIZE, &managed);
	*there = set_and(there, &managed);
	return err;
}

static int seed_block(struct uhmm *u, uintptr_t va, unsigned first,
		      unsigned last)
{
	struct mm_set there;
	struct block *b;
	int err;

	err = u->mm->ops->resident(u->mm, va, first, last, &there);
	if (err || set_empty(&there))
		return err;
	b = block_get(u, va);
	if (!b)
		return -ENOMEM;
	block_lock(b);
	err = block_ensure_table(u, b);
	if (!err)
		err = still_there(u, va, first, last, &there);
	for (unsigned i = first; !err && i < last; i++)
		if (set_has(&there, i) && page_is_unmoved(block_word(b, i)))
			block_home(u, b, i, E_HOME);
	block_unlock(u, b);
	return err;
}

/* If pages are counted, count those of a new range that are in RAM. */
int range_seed(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err = 0;

	if (!atomic_load(&u->charge.on))
		return 0;
	while (start < end && !err) {
		uintptr_t last = block_part_end(start, end);

		err = seed_block(u, start & ~(MM_BLOCK_SIZE - 1),
				 page_index(start), page_index(last - 1) + 1);
		start = last;
	}
	return err;
}
