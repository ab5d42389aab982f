/* SPDX-License-Identifier: MIT */
/*
 * freeze.c - take pages from the CPU.
 *
 * DOC: Two rungs
 *
 * MOVE: UFFDIO_MOVE of each run into the slot.  It takes mapping and page in
 * one step and refuses pages that a device may write to (-EBUSY).  A whole
 * huge page goes as one entry of the page table, in some microseconds.
 *
 * STASH: stash.c moves the mapping.  It works on every kernel and every mapping
 * of anonymous memory, costs one TLB flush for a whole range, and does not see
 * DMA.  It waits until an event has been read, so it cannot be called with a
 * block locked, as freeze() is: freeze() puts pages for STASH into @left.
 * These are all pages where MOVE is missing, and pages for which MOVE fails
 * with -EINVAL (of a read-only mapping, say).
 *
 * Scattered pages are taken by a sweep, if the caller agrees: one MOVE takes
 * all pages that are present, over gaps too.  Pages that were not wanted come
 * back by UFFDIO_COPY, which needs no flush.
 */
#include <errno.h>
#include <sys/mman.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"

enum {
	FEW = 8,	   /* pages in a row that are cheap to try */
	SWEEP_EXTRA = 4,   /* bystanders that a run may cost */
	SCATTER_RUNS = 16, /* as many runs ... */
	SCATTER_LEN = 8,   /* ... shorter than this on average are scattered */
};

void uffd_set_why(struct mm_freeze *f, unsigned first, unsigned last,
		  uint8_t why)
{
	for (; first < last; first++)
		f->why[first] = why;
}

/* Pinned by the kernel, or merely shared since a fork? */
static uint8_t why_busy(const struct uffd *b, uintptr_t va)
{
	uint64_t entry = uffd_pagemap_entry(b, va);

	if (entry & UAPI_PM_PRESENT && !(entry & UAPI_PM_EXCLUSIVE))
		return UHMM_WHY_SHARED;
	return UHMM_WHY_PINNED;
}

/* A marker instead of a page: its data are lost, or it is a guard. */
static uint8_t why_fault(const struct uffd *b, uintptr_t va)
{
	return uffd_pagemap_entry(b, va) & UAPI_PM_GUARD ?
		       UHMM_WHY_UNSUPPORTED :
		       UHMM_WHY_POISONED;
}

/*
 * The kernel refused [first, last): an end of a mapping lies within, or the
 * mapping does not suit MOVE.  Return: the end of the run to try next; or
 * @first when [first, *@ret_last) has been dealt with.
 */
static unsigned sort_refused(const struct uffd *b, struct mm_freeze *f,
			     unsigned first, unsigned last, struct mm_set *left,
			     unsigned *ret_last)
{
	uintptr_t va = f->va + first * MM_PAGE_SIZE;
	struct uffd_vma vma;

	*ret_last = last;
	if (uffd_find_vma(b, va, &vma)) {
		uffd_set_why(f, first, last, UHMM_WHY_BUSY);
		return first;
	}
	if (vma.start > va) {
		*ret_last = first + 1;
		f->why[first] = UHMM_WHY_UNMAPPED;
		return first;
	}
	if (vma.end < f->va + last * MM_PAGE_SIZE)
		return (unsigned)((vma.end - f->va) >> MM_PAGE_SHIFT);
	if (sys_is_locked(va))
		uffd_set_why(f, first, last, UHMM_WHY_LOCKED);
	else
		set_add_run(left, first, last);
	return first;
}

/*
 * Linux 6.18 moves pages in batches, and when a page is written to meanwhile
 * it sometimes begins a batch again that it has moved: the frame is found in
 * use then.  Nobody else fills frames or empties the range: freeze() is called
 * with the block locked.
 */
static bool has_page_moved(const struct uffd *b, const struct mm_freeze *f,
			   unsigned i)
{
	struct mm_set at_va, at_slot, huge;

	return !uffd_scan(b, f->va, i, i + 1, &at_va, &huge) &&
	       !uffd_scan(b, f->slot, i, i + 1, &at_slot, &huge) &&
	       !set_has(&at_va, i) && set_has(&at_slot, i);
}

/* Note a page that could not be moved.  Return: false to stop altogether. */
static bool stuck(const struct uffd *b, struct mm_freeze *f, unsigned i,
		  struct mm_set *left, ssize_t err)
{
	uintptr_t va = f->va + i * MM_PAGE_SIZE;

	switch (err) {
	case -ENOENT:
		set_add(&f->holes, i);
		return true;
	case -EBUSY:
		f->why[i] = why_busy(b, va);
		if (f->shared && f->why[i] == UHMM_WHY_SHARED)
			set_add(left, i);
		return true;
	case -EFAULT:
		f->why[i] = why_fault(b, va);
		return true;
	case -EEXIST:
		if (has_page_moved(b, f, i))
			set_add(&f->framed, i);
		else
			f->why[i] = UHMM_WHY_BUSY;
		return true;
	default: /* -EAGAIN, -ENOMEM */
		return false;
	}
}

static void move_run(const struct uffd *b, struct mm_freeze *f, unsigned first,
		     unsigned last, uint64_t mode, struct mm_set *left)
{
	unsigned end = last;

	while (first < last) {
		uintptr_t off = first * MM_PAGE_SIZE;
		ssize_t ret = uffd_move(b->u, f->slot + off, f->va + off,
					(end - first) * MM_PAGE_SIZE, mode);

		if (ret > 0) {
			unsigned n = (unsigned)(ret >> MM_PAGE_SHIFT);

			set_add_run(&f->framed, first, first + n);
			first += n;
		} else if (ret == -EINVAL) {
			unsigned dealt;

			end = sort_refused(b, f, first, end, left, &dealt);
			if (end > first)
				continue;
			first = dealt;
		} else if (stuck(b, f, first, left, ret)) {
			first++;
		} else {
			uffd_set_why(f, first, last, UHMM_WHY_BUSY);
			return;
		}
		if (first >= end)
			end = last;
	}
}

/*
 * A whole block, one huge page most likely.  A page table in the slot, left
 * over from smaller pages, would make the kernel split it: discarding the
 * empty slot frees the table.
 */
static void move_whole_block(struct uffd *b, struct mm_freeze *f, bool huge,
			     struct mm_set *left)
{
	ssize_t ret;

	uffd_slot_zap(b, f->slot, MM_BLOCK_SIZE);
	ret = uffd_move(b->u, f->slot, f->va, MM_BLOCK_SIZE, 0);
	if (ret == (ssize_t)MM_BLOCK_SIZE) {
		set_add_run(&f->framed, 0, MM_BLOCK_PAGES);
		f->huge = huge;
		if (huge)
			uffd_hint_huge(b, f->va);
	} else if (ret > 0) {
		unsigned n = (unsigned)(ret >> MM_PAGE_SHIFT);

		set_add_run(&f->framed, 0, n);
		move_run(b, f, n, MM_BLOCK_PAGES, 0, left);
	} else if (ret == -EBUSY && huge) {
		uint8_t why = why_busy(b, f->va);

		uffd_set_why(f, 0, MM_BLOCK_PAGES, why);
		if (f->shared && why == UHMM_WHY_SHARED)
			set_add_run(left, 0, MM_BLOCK_PAGES);
	} else {
		move_run(b, f, 0, MM_BLOCK_PAGES, 0, left);
	}
}

static unsigned nr_runs(const struct mm_set *set)
{
	unsigned n = 0;

	set_for_each_run(set, first, last) {
		n++;
	}
	return n;
}

static bool is_scattered(const struct mm_set *set)
{
	unsigned runs = nr_runs(set);

	return runs >= SCATTER_RUNS && set_count(set) < runs * SCATTER_LEN;
}

/* The first and, exclusively, the last page of a set. */
static void span_of(const struct mm_set *set, unsigned *ret_first,
		    unsigned *ret_last)
{
	*ret_first = set_find(set, 0, true);
	*ret_last = *ret_first;
	set_for_each_run(set, first, last)
		*ret_last = last;
}

/* Few enough bystanders to bring back, and few gaps, each of which flushes. */
static bool sweep_pays(const struct mm_set *want, const struct mm_set *both,
		       const struct mm_set *there)
{
	struct mm_set all = set_and(both, there);
	unsigned runs = nr_runs(want);

	return is_scattered(want) && nr_runs(both) * 4 <= runs &&
	       set_count(&all) - set_count(want) <= runs * SWEEP_EXTRA;
}

static void sweep_wanted(const struct uffd *b, struct mm_freeze *f,
			 const struct mm_set *both, const struct mm_set *there)
{
	set_for_each_run(both, first, last)
		move_run(b, f, first, last, UAPI_MOVE_ALLOW_SRC_HOLES,
			 &f->left);
	/* Pages that were not wanted need no result. */
	f->framed = set_and(&f->framed, there);
	f->left = set_and(&f->left, &f->want);
	f->holes = set_and(&f->holes, &f->want);
	set_for_each(&f->also, i)
		f->why[i] = UHMM_WHY_OK;
}

/* By MOVE; what it refuses is left. */
static void move_all(struct uffd *b, struct mm_freeze *f,
		     const struct mm_set *want, const struct mm_set *there,
		     const struct mm_set *huge)
{
	struct mm_set both = set_or(want, &f->also);

	if (set_full(want) && (set_full(huge) || !b->has.scan))
		move_whole_block(b, f, set_full(huge), &f->left);
	else if (set_empty(huge) && sweep_pays(want, &both, there))
		sweep_wanted(b, f, &both, there);
	else
		set_for_each_run(want, first, last)
			move_run(b, f, first, last, 0, &f->left);
}

/* Choose the rung for what is there. */
static void take_present(struct uffd *b, struct mm_freeze *f,
			 const struct mm_set *there, const struct mm_set *huge)
{
	struct mm_set want = set_and(&f->want, there);
	struct mm_set gone = set_minus(&f->want, there);

	f->holes = set_or(&f->holes, &gone);
	if (b->mm.can_move)
		move_all(b, f, &want, there, huge);
	else
		f->left = want;
}

/*
 * A few pages in a row, or one: MOVE itself tells what is there, and looking
 * beforehand would take half as long again.
 */
static int take_few(struct uffd *b, struct mm_freeze *f, unsigned first,
		    unsigned last)
{
	struct mm_set there, huge, gone;
	int ret;

	set_clear(&f->also);
	move_run(b, f, first, last, 0, &f->left);
	if (set_empty(&f->left))
		return 0;
	ret = uffd_scan(b, f->va, first, last, &there, &huge);
	if (ret)
		return set_empty(&f->framed) ? ret : 0;
	gone = set_minus(&f->left, &there);
	f->holes = set_or(&f->holes, &gone);
	f->left = set_and(&f->left, &there);
	return 0;
}

static bool is_few(const struct uffd *b, const struct mm_freeze *f,
		   unsigned first, unsigned last)
{
	return b->mm.can_move && last - first <= FEW &&
	       set_count(&f->want) == last - first;
}

/* Look what is there, and take it. */
static int look_and_take(struct uffd *b, struct mm_freeze *f, unsigned first,
			 unsigned last)
{
	struct mm_set there, huge, looked;
	int ret;

	if (is_few(b, f, first, last))
		return take_few(b, f, first, last);
	set_clear(&looked);
	set_add_run(&looked, first, last);
	f->also = set_and(&f->also, &looked);
	ret = uffd_scan(b, f->va, first, last, &there, &huge);
	if (!ret)
		take_present(b, f, &there, &huge);
	return ret;
}

void uffd_freeze_clear(struct mm_freeze *f)
{
	set_clear(&f->framed);
	set_clear(&f->left);
	set_clear(&f->holes);
	set_clear(&f->late);
	uffd_set_why(f, 0, MM_BLOCK_PAGES, UHMM_WHY_OK);
	f->huge = false;
}

int uffd_freeze(struct mm *mm, struct mm_freeze *f)
{
	struct uffd *b = to_uffd(mm);
	unsigned first, last;
	int ret;

	uffd_freeze_clear(f);
	span_of(&f->want, &first, &last);
	if (first == last)
		return 0;
	ret = uffd_gate_enter(b);
	if (ret)
		return ret;
	f->stamp = uffd_stamp_all(b, f->va);
	ret = look_and_take(b, f, first, last);
	if (!uffd_gate_leave(b))
		return ret;
	/*
	 * Framed pages belonged to tracked mappings: see "Order" in uffd.h.  A
	 * missing page may just have been moved elsewhere, and a page that was
	 * left may belong to another mapping.
	 */
	if (set_empty(&f->framed)) {
		uffd_freeze_clear(f);
		return -EAGAIN;
	}
	set_for_each(&f->holes, i)
		f->why[i] = UHMM_WHY_BUSY;
	set_for_each(&f->left, i)
		f->why[i] = UHMM_WHY_BUSY;
	set_clear(&f->holes);
	set_clear(&f->left);
	return ret;
}

int uffd_protect_pages(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	int ret = uffd_gate_enter(b);

	if (ret)
		return ret;
	ret = uffd_protect(b, va, npages * MM_PAGE_SIZE, true);
	return uffd_gate_leave(b) && !ret ? -EAGAIN : ret;
}

int uffd_unprotect(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	int ret = uffd_protect(b, va, npages * MM_PAGE_SIZE, false);

	/* Part of it is unmapped: do the rest. */
	if (ret == -ENOENT && npages > 1) {
		size_t half = npages / 2;
		int ret2;

		ret = uffd_unprotect(mm, va, half);
		ret2 = uffd_unprotect(mm, va + half * MM_PAGE_SIZE,
				      npages - half);
		return ret ? ret : ret2;
	}
	/* No page is left to protect. */
	return ret == -ENOENT ? 0 : ret;
}
