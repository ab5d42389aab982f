/* SPDX-License-Identifier: MIT */
/*
 * stash.c - take pages by moving their mapping.
 *
 * mremap(MREMAP_DONTUNMAP) takes the pages of a range in one step, whatever
 * they are, and leaves an empty mapping behind.  What arrives in the slot has
 * the protection and the registration of the application's, and has to be made
 * one of ours.
 *
 * DOC: Which pages
 *
 * mremap(2) does not fail when the mapping is changing (see "Order" in uffd.h),
 * so it is called in the gate: no event is under way, and none was applied to
 * the block since it was locked (@stamp).  The gate must open for the event of
 * the move itself, once the mapping has moved.  The keeper does that, because
 * the kernel holds the mover.  The last step before is to mark the pages, with
 * write-protection: that fails if anything has changed by then.  What can
 * still come between the two calls is told apart afterwards:
 *
 *	no event		not a tracked mapping: it goes back at once,
 *				before the gate opens
 *	an event, no mark	mremap(2) moved another tracked mapping there;
 *				its own event is yet to be read.  The pages are
 *				@late, and the client gives them back: touches
 *				of them wait, since the address is tracked
 *	an event and a mark	what was to be taken, or one that was protected
 *				and moved there: its own event says so
 *	an event, no page	a hole, or mremap(2) moved the page away before,
 *				and its own event is yet to be read
 *
 * So the client waits until no event is on its way.
 *
 * Pages are not removed by madvise(MADV_DONTNEED), because that acts only after
 * its event has been read, which can take long, and there is no way back.
 */
#include <errno.h>
#include <sys/mman.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum {
	HOW = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
	TRIES = 100,
};

bool uffd_try_stash(struct uffd *b)
{
	uintptr_t page = b->scratch + 2 * MM_PAGE_SIZE;

	return b->has.stash &&
	       !sys_mremap(page, page + MM_PAGE_SIZE, MM_PAGE_SIZE, HOW);
}

/* ---- Has anything changed? ---- */

static unsigned stamp_index(uintptr_t va)
{
	return (unsigned)(va >> MM_BLOCK_SHIFT) % UFFD_STAMPS;
}

static uint32_t stamp_of(const struct uffd *b, uintptr_t va)
{
	return atomic_load(&b->stamps[stamp_index(va)]);
}

uint32_t uffd_stamp_all(const struct uffd *b, uintptr_t va)
{
	return stamp_of(b, va) + atomic_load(&b->drops[stamp_index(va)]);
}

static void stamp_range(_Atomic uint32_t *stamps, uintptr_t start,
			uintptr_t end)
{
	start &= ~(MM_BLOCK_SIZE - 1);
	for (unsigned i = 0; i < UFFD_STAMPS && start < end; i++) {
		atomic_fetch_add(&stamps[stamp_index(start)], 1);
		start += MM_BLOCK_SIZE;
	}
}

void uffd_stamp_range(struct uffd *b, uintptr_t start, uintptr_t end)
{
	stamp_range(b->stamps, start, end);
}

void uffd_stamp_drop(struct uffd *b, uintptr_t start, uintptr_t end)
{
	stamp_range(b->drops, start, end);
}

/*
 * Enter the gate if no event is on its way, and none was applied to the block
 * since @stamp was read.
 */
bool uffd_gate_enter_as_it_was(struct uffd *b, uintptr_t va, uint32_t stamp)
{
	int ret = -EAGAIN;

	for (int i = 0; ret && i < TRIES; i++) {
		if (i)
			sys_rest((unsigned)i, SYS_REST_NS);
		ret = uffd_gate_enter(b);
	}
	if (!ret && uffd_stamp_all(b, va) == stamp)
		return true;
	if (!ret)
		uffd_gate_passed(b);
	return false;
}

/* ---- Mappings of ours ---- */

/*
 * Make the mapping that arrived part of the slot: no faults, no events,
 * writable, and no protection key, which our threads could not use.  It is a
 * whole mapping, so no call here needs memory.  A call that fails by fault
 * injection is repeated, because the move cannot be undone from here.
 */
void uffd_make_ours(struct uffd *b, uintptr_t frame, size_t len)
{
	const int rw = PROT_READ | PROT_WRITE;

	if (uffd_unregister(b->u, frame, len))
		uffd_unregister(b->u, frame, len);
	if (sys_mprotect_unkeyed(frame, len, rw))
		sys_mprotect_unkeyed(frame, len, rw);
	if (sys_madvise(frame, len, MADV_DONTFORK))
		sys_madvise(frame, len, MADV_DONTFORK);
	sys_madvise(frame, len, MADV_NOHUGEPAGE);
}

/* Put the mapping back over what it left behind. */
static void move_back(uintptr_t va, uintptr_t frame, size_t len)
{
	for (int i = 0; i < 2; i++)
		if (!sys_mremap(frame, va, len, MREMAP_MAYMOVE | MREMAP_FIXED))
			break;
}

/* ---- One range of one mapping ---- */

/*
 * The mapping did not move.  A mark that stayed would be taken for a mark of
 * the next stash, wherever its page is by then: so read events until the marks
 * are gone.
 */
static void unmark(struct uffd *b, uintptr_t va, size_t len)
{
	for (int i = 0; i < TRIES; i++) {
		if (uffd_unprotect(&b->mm, va, len >> MM_PAGE_SHIFT) != -EAGAIN)
			return;
		uffd_is_still(&b->mm);
		sys_rest((unsigned)i, SYS_REST_NS);
	}
}

/*
 * Since Linux 6.17 a range of several mappings moves one by one, until one is
 * tracked that is not the last: what an application has just mapped over the
 * beginning of the range may have moved.  Nothing else is in these frames.
 */
static void return_part(struct uffd *b, uintptr_t va, uintptr_t frame,
			size_t len)
{
	uintptr_t slot = frame & ~(MM_BLOCK_SIZE - 1), off = frame - slot;
	unsigned first = (unsigned)(off >> MM_PAGE_SHIFT);
	struct mm_set there, huge;

	if (uffd_scan(b, slot, first, first + (unsigned)(len >> MM_PAGE_SHIFT),
		      &there, &huge))
		return;
	set_for_each_run(&there, i, last)
		move_back(va - off + i * MM_PAGE_SIZE, slot + i * MM_PAGE_SIZE,
			  (last - i) * MM_PAGE_SIZE);
}

/* In the gate, which is left.  Return: -errno when nothing has changed. */
static int move_watched_leave(struct uffd *b, struct mm_freeze *f, uintptr_t va,
			      uintptr_t frame, size_t len)
{
	int ret;

	uffd_keeper_arm(b, f, frame, len);
	ret = sys_mremap(va, frame, len, HOW);
	if (!uffd_keeper_done(b)) {
		uffd_sync(&b->mm); /* the event has been read: it is applied */
		return 0;
	}
	if (ret)
		return_part(b, va, frame, len);
	else
		move_back(va, frame, len);
	uffd_slot_renew(b, frame, len);
	uffd_gate_passed(b);
	if (ret)
		unmark(b, va, len);
	return ret ? ret : -ENOENT;
}

/* Return: whether the pages are in frames now; if not nothing has changed. */
static bool move_mapping(struct uffd *b, struct mm_freeze *f, unsigned first,
			 unsigned last)
{
	uintptr_t off = first * MM_PAGE_SIZE, frame = f->slot + off;
	size_t len = (last - first) * MM_PAGE_SIZE;
	_Atomic uint8_t *flags = uffd_slot_flags(b, f->slot);

	if (uffd_slot_expect(b, frame, len) ||
	    !uffd_gate_enter_as_it_was(b, f->va, f->stamp)) {
		uffd_slot_unexpect(b, frame, len);
		return false;
	}
	if (uffd_protect(b, f->va + off, len, true)) {
		uffd_gate_passed(b);
		uffd_slot_unexpect(b, frame, len);
		return false;
	}
	atomic_store(flags, UFFD_STASHED);
	return !move_watched_leave(b, f, f->va + off, frame, len);
}

/* ---- All of it ---- */

/*
 * Locked after we had looked: the lock has moved, too, and goes back to where
 * it was asked for, so that what comes home stays.  The kernel takes it from
 * the whole mapping, whatever part has moved.
 */
static void return_lock(const struct uffd *b, uintptr_t va, uintptr_t frame,
			size_t len)
{
	struct uffd_vma vma;

	if (uffd_find_vma(b, va, &vma) || vma.start > va)
		vma = (struct uffd_vma){ .start = va, .end = va + len };
	if (sys_mlock_onfault(vma.start, vma.end - vma.start))
		sys_mlock_onfault(vma.start, vma.end - vma.start);
	if (sys_munlock(frame, len))
		sys_munlock(frame, len);
}

/* The poison has come along: a touch of the frame would raise SIGBUS. */
static void sort_out_poisoned(const struct uffd *b, struct mm_freeze *f,
			      struct mm_set *there)
{
	set_for_each(there, i) {
		uintptr_t frame = f->slot + i * MM_PAGE_SIZE;

		if (!uffd_is_poisoned(b, frame))
			continue;
		sys_madvise(frame, MM_PAGE_SIZE, MADV_DONTNEED);
		uffd_set_why(f, i, i + 1, UHMM_WHY_POISONED);
		set_del(there, i);
	}
}

/* A poisoned page looks as if it were swapped out; mostly there is none. */
static bool has_marks(const struct uffd *b, uintptr_t slot, unsigned first,
		      unsigned last)
{
	uint64_t entries[MM_BLOCK_PAGES];

	if (uffd_pagemap_entries(b, slot + first * MM_PAGE_SIZE, last - first,
				 entries))
		return false;
	for (unsigned i = 0; i < last - first; i++)
		if (entries[i] & UAPI_PM_SWAP)
			return true;
	return false;
}

/* Sort the pages that arrived in the slot into framed pages and holes. */
static void sort_taken(const struct uffd *b, struct mm_freeze *f,
		       unsigned first, unsigned last)
{
	struct mm_set there, huge;

	if (uffd_scan(b, f->slot, first, last, &there, &huge)) {
		set_clear(&there);
		set_add_run(&there, first, last);
	}
	if (has_marks(b, f->slot, first, last))
		sort_out_poisoned(b, f, &there);
	for (unsigned i = first; i < last; i++)
		if (f->why[i] != UHMM_WHY_POISONED)
			set_add(set_has(&there, i) ? &f->framed : &f->holes, i);
}

static void note_stashed(const struct uffd *b, struct mm_freeze *f,
			 unsigned first, unsigned last)
{
	uintptr_t off = first * MM_PAGE_SIZE;

	sort_taken(b, f, first, last);
	if (!sys_is_locked(f->slot + off))
		return;
	return_lock(b, f->va + off, f->slot + off,
		    (last - first) * MM_PAGE_SIZE);
	for (; first < last; first++)
		if (set_has(&f->framed, first))
			f->why[first] = UHMM_WHY_LOCKED;
}

/* @vma is that of the part before. */
static bool find_mapping(const struct uffd *b, uintptr_t va,
			 struct uffd_vma *vma)
{
	if (va >= vma->start && va < vma->end)
		return true;
	return !uffd_find_vma(b, va, vma) && vma->start <= va;
}

/* The part of [first, last) in one mapping.  Return: where to go on. */
static unsigned stash_part(struct uffd *b, struct mm_freeze *f,
			   struct uffd_vma *vma, unsigned first, unsigned last)
{
	uintptr_t va = f->va + first * MM_PAGE_SIZE;

	if (!find_mapping(b, va, vma)) {
		uffd_set_why(f, first, first + 1, UHMM_WHY_UNMAPPED);
		return first + 1;
	}
	if (vma->end < f->va + last * MM_PAGE_SIZE)
		last = (unsigned)((vma->end - f->va) >> MM_PAGE_SHIFT);
	if (!vma->anon)
		uffd_set_why(f, first, last, UHMM_WHY_UNSUPPORTED);
	else if (sys_is_locked(va)) /* it would lose the lock */
		uffd_set_why(f, first, last, UHMM_WHY_LOCKED);
	else if (move_mapping(b, f, first, last))
		note_stashed(b, f, first, last);
	else
		uffd_set_why(f, first, last, UHMM_WHY_BUSY);
	return last;
}

void uffd_stash(struct mm *mm, struct mm_freeze *f)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_vma vma = { 0 };

	uffd_freeze_clear(f);
	if (!b->has.stash) {
		uffd_set_why(f, 0, MM_BLOCK_PAGES, UHMM_WHY_UNSUPPORTED);
		return;
	}
	sys_mutex_lock(&b->keeper.lock);
	set_for_each_run(&f->want, first, last)
		for (unsigned at = first; at < last;)
			at = stash_part(b, f, &vma, at, last);
	sys_mutex_unlock(&b->keeper.lock);
}
