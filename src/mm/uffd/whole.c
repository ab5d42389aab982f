/* SPDX-License-Identifier: MIT */
/*
 * whole.c - mappings of which a part is tracked.
 *
 * Where a part of a mapping is registered the kernel has several mappings, and
 * mremap(2) of what is one mapping to the program fails with EFAULT.
 *
 * DOC: Joined
 *
 * So the rest of the mapping is registered as well, if it is not huge, and
 * stays so for as long as any of it is tracked.  The client is not told: what
 * is missing there is zeroes.
 *
 * Where the faults of system calls are not served nothing may be missing there:
 * a call would fail, and inline a thread could not begin to use a stack that it
 * has there.  So the page of zeroes is mapped beforehand, what the program
 * discards later is let go at once, and stacks are left alone: the first
 * thread's, and what lies on a page without access, as others' do.
 *
 * DOC: Fenced off
 *
 * Since Linux 6.17 mremap(2) moves several mappings one by one, until it comes
 * to one that is registered: it fails then, and a part has moved.  If the first
 * one is registered it fails before.  So what lies before a tracked part is
 * registered, too, in a way that asks for nothing: with @s, for faults of pages
 * that are write-protected, and none is.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define WHOLE	    ((uintptr_t)1 << 30)
#define WHOLE_PLAIN ((uintptr_t)64 << 20)

enum {
	TRACK = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	FENCE = UFFDIO_REGISTER_MODE_WP,
};

/* Two pages that are two mappings, onto two others. */
bool uffd_moves_several(void)
{
	const size_t half = 2 * MM_PAGE_SIZE;
	bool several;
	uintptr_t p;

	if (sys_own_map(2 * half, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, &p))
		return false;
	several = !sys_mprotect(p, MM_PAGE_SIZE, PROT_NONE) &&
		  !sys_mremap(p, p + half, half, MREMAP_MAYMOVE | MREMAP_FIXED);
	sys_own_unmap(p, 2 * half);
	return several;
}

/* ---- Fences ---- */

static void fence_off(struct uffd *b, uintptr_t start, uintptr_t end)
{
	if (b->moves_several && start < end)
		uffd_register(b->s, start, end - start, FENCE);
}

/* These kernels refuse what another descriptor has registered. */
static void take_fences(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_vma vma;

	while (start < end && !uffd_find_vma(b, start, &vma)) {
		if (vma.start > start)
			start = vma.start;
		if (vma.end > end)
			vma.end = end;
		if (start < vma.end)
			uffd_unregister(b->s, start, vma.end - start);
		start = vma.end;
	}
}

int uffd_register_part(struct uffd *b, uintptr_t start, uintptr_t end)
{
	int ret = uffd_register(b->u, start, end - start, TRACK);

	if (ret == -EBUSY && b->moves_several) {
		take_fences(b, start, end);
		ret = uffd_register(b->u, start, end - start, TRACK);
	}
	return ret;
}

/* ---- The rest ---- */

/* Mapped there since we looked. */
static void leave_out_own(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uintptr_t first, last;

	while (sys_own_next(start, &first, &last) && first < end) {
		first = first > start ? first : start;
		start = last < end ? last : end;
		uffd_unregister(b->u, first, start - first);
	}
}

/* Discarded since it was filled: the rest is short. */
static void fill_block(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uintptr_t va = start & ~(MM_BLOCK_SIZE - 1);
	unsigned first = (unsigned)((start - va) >> MM_PAGE_SHIFT);
	unsigned last = (unsigned)((end - va) >> MM_PAGE_SHIFT);
	struct mm_set there, huge;

	if (uffd_scan(b, va, first, last, &there, &huge))
		return;
	for (; first < last; first++)
		if (!set_has(&there, first))
			uffd_zeropage(b, va + first * MM_PAGE_SIZE,
				      MM_PAGE_SIZE);
}

static void fill(struct uffd *b, uintptr_t start, uintptr_t end)
{
	while (start < end) {
		uintptr_t last = (start | (MM_BLOCK_SIZE - 1)) + 1;

		last = last < end ? last : end;
		fill_block(b, start, last);
		start = last;
	}
}

/* Return: whether there is nothing that is not registered. */
static bool join(struct uffd *b, uintptr_t start, uintptr_t end)
{
	bool plain = !b->mm.can_share;

	if (start >= end)
		return true;
	if (plain && sys_madvise(start, end - start, MADV_POPULATE_READ))
		return false;
	if (uffd_register_part(b, start, end))
		return false;
	leave_out_own(b, start, end);
	if (plain)
		fill(b, start, end);
	return true;
}

static bool may_hold_stack(const struct uffd *b, uintptr_t start)
{
	struct uffd_vma vma;

	if (uffd_find_vma(b, start, &vma) || vma.stack)
		return true;
	return !uffd_find_vma(b, start - MM_PAGE_SIZE, &vma) &&
	       vma.end == start && !vma.read && !vma.write;
}

static bool may_join(const struct uffd *b, struct uffd_range whole)
{
	if (b->mm.can_share)
		return whole.end - whole.start <= WHOLE;
	return whole.end - whole.start <= WHOLE_PLAIN &&
	       !may_hold_stack(b, whole.start);
}

/* Before [start, end) is registered, which divides the mapping. */
struct uffd_whole uffd_whole_of(const struct uffd *b, uintptr_t start,
				uintptr_t end)
{
	struct uffd_whole w;

	w.all = uffd_mapping(b, start);
	if (w.all.end < end)
		w.all.end = uffd_mapping(b, end - MM_PAGE_SIZE).end;
	w.has_rest = w.all.start < start || w.all.end > end;
	w.may_join = w.has_rest && may_join(b, w.all);
	return w;
}

void uffd_join(struct uffd *b, const struct uffd_whole *w, uintptr_t start,
	       uintptr_t end)
{
	if (!w->has_rest)
		return;
	if (!w->may_join || !join(b, w->all.start, start))
		fence_off(b, w->all.start, start);
	if (w->may_join)
		join(b, end, w->all.end);
}

/* ---- Untracked ---- */

static void unregister(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uffd_unregister(b->u, start, end - start);
	uffd_fork_hide(&b->mm, start, end, false);
	if (uffd_is_registered(b, end))
		fence_off(b, start, end);
}

/*
 * If mremap(2) has just brought there what is tracked, its thread is held until
 * we read its event, and by then it is registered again.  Holds event_lock.
 */
static void let_go(struct uffd *b, uintptr_t start, uintptr_t end)
{
	unregister(b, start, end);
	if (uffd_is_changing(b))
		uffd_register_part(b, start, end);
}

/* A part of one mapping.  Holds event_lock. */
static int untrack_part(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_range r = uffd_mapping(b, start);

	if (r.start == r.end) /* of a file by now */
		return uffd_unregister(b->u, start, end - start);
	if (!uffd_ranges_touch(b, r.start, r.end))
		let_go(b, r.start, r.end);
	else if (!b->mm.can_share)
		let_go(b, start, end);
	return 0;
}

int uffd_untrack(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_vma vma;
	int ret = 0;

	uffd_ranges_del(b, start, end);
	uffd_release(b, start, end);
	sys_mutex_lock(&b->event_lock);
	uffd_drain(b);
	while (start < end && !uffd_find_vma(b, start, &vma)) {
		uintptr_t last = vma.end < end ? vma.end : end;

		if (vma.start > start)
			start = vma.start;
		if (start < last)
			ret = untrack_part(b, start, last);
		start = last;
	}
	sys_mutex_unlock(&b->event_lock);
	return ret;
}

/*
 * Discarded: what is registered for the sake of its mapping is let go.  It is
 * changing, since the thread that discards has not gone on.  If another one
 * brings there what is tracked, at the same time, see uffd_rejoin().
 */
void uffd_unjoin(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uintptr_t first, last;

	if (b->mm.can_share)
		return;
	if (sys_own_next(start, &first, &last) && first < end)
		return;
	while (start < end) {
		struct uffd_range r = uffd_ranges_next(b, start, end);

		if (r.start > start) {
			unregister(b, start, r.start);
			b->unjoined = (struct uffd_range){ start, r.start };
		}
		start = r.end;
	}
}

/* It was moved there with its registration, before it was let go perhaps. */
void uffd_rejoin(struct uffd *b, uintptr_t start, uintptr_t end)
{
	const struct uffd_range *r = &b->unjoined;

	if (r->start < end && start < r->end)
		uffd_register_part(b, start, end);
}
