/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - put pages at their addresses: all of it without waiting for
 * anything, since it runs on handler threads and in signal handlers.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

enum {
	MOVE_FROM = 8
};

/* ---- Which blocks have no page table ---- */

static _Atomic uintptr_t *hint_of(const struct uffd *b, uintptr_t va)
{
	return &b->huge_hints[(va >> MM_BLOCK_SHIFT) % UFFD_HUGE_HINTS];
}

static uintptr_t block_of(uintptr_t va)
{
	return va & ~(MM_BLOCK_SIZE - 1);
}

void uffd_hint_huge(struct uffd *b, uintptr_t va)
{
	atomic_store_explicit(hint_of(b, va), block_of(va),
			      memory_order_relaxed);
}

/* A small page comes: there is a page table from now on. */
void uffd_hint_small(struct uffd *b, uintptr_t va)
{
	_Atomic uintptr_t *hint = hint_of(b, va);

	if (atomic_load_explicit(hint, memory_order_relaxed) == block_of(va))
		atomic_store_explicit(hint, 0, memory_order_relaxed);
}

static bool was_huge(const struct uffd *b, uintptr_t va)
{
	return atomic_load_explicit(hint_of(b, va), memory_order_relaxed) == va;
}

/* ---- Filling ---- */

static ssize_t in_pages(ssize_t bytes)
{
	return bytes > 0 ? bytes >> MM_PAGE_SHIFT : bytes;
}

/* With the gate around it, lest discarded data come back: see uffd.h. */
static ssize_t gated_copy(struct uffd *b, uintptr_t va, const void *src,
			  size_t len, uint64_t mode)
{
	ssize_t ret = uffd_gate_pass(b);

	if (ret)
		return ret;
	ret = uffd_copy(b, va, src, len, mode);
	uffd_gate_passed(b);
	return ret;
}

static ssize_t gated_move(struct uffd *b, uintptr_t va, uintptr_t frame,
			  size_t len)
{
	ssize_t ret = uffd_gate_pass(b);

	if (ret)
		return ret;
	ret = uffd_move(b->u, va, frame, len, 0);
	uffd_gate_passed(b);
	return ret;
}

/* A range across two mappings is refused as a whole: try less of it. */
static bool may_be_across(ssize_t err, size_t npages)
{
	return npages > 1 && (err == -ENOENT || err == -EINVAL);
}

/* After a try of @step pages, which did @ret of them: another? */
static bool may_go_on(ssize_t ret, size_t *done, size_t *step)
{
	if (ret > 0)
		*done += (size_t)ret;
	else if (may_be_across(ret, *step))
		*step /= 2;
	else
		return false;
	return true;
}

static ssize_t fill_pages(struct uffd *b, uintptr_t va, const void *src,
			  size_t npages, uint64_t mode)
{
	size_t done = 0, step = npages;
	ssize_t ret = 0;

	uffd_hint_small(b, va);
	while (done < npages) {
		size_t off = done * MM_PAGE_SIZE;

		if (step > npages - done)
			step = npages - done;
		ret = in_pages(gated_copy(b, va + off, (const char *)src + off,
					  step * MM_PAGE_SIZE, mode));
		if (!may_go_on(ret, &done, &step))
			break;
	}
	return done ? (ssize_t)done : ret;
}

ssize_t uffd_fill(struct mm *mm, uintptr_t va, const void *src, size_t npages)
{
	return fill_pages(to_uffd(mm), va, src, npages, 0);
}

ssize_t uffd_fill_shared(struct mm *mm, uintptr_t va, const void *src,
			 size_t npages)
{
	return fill_pages(to_uffd(mm), va, src, npages, UFFDIO_COPY_MODE_WP);
}

/* With the gate around it, lest zeroes hide a page that moves there. */
static ssize_t gated_zero(struct uffd *b, uintptr_t va, size_t len, bool write)
{
	ssize_t ret = uffd_gate_pass(b);

	if (ret)
		return ret;
	ret = write ? uffd_copy(b, va, b->zeroes, len, 0) :
		      uffd_zeropage(b, va, len);
	uffd_gate_passed(b);
	return ret;
}

ssize_t uffd_zero(struct mm *mm, uintptr_t va, size_t npages, bool write)
{
	struct uffd *b = to_uffd(mm);
	size_t done = 0, step = npages;
	ssize_t ret = 0;

	uffd_hint_small(b, va);
	if (write && step > UFFD_ZERO_PAGES)
		step = UFFD_ZERO_PAGES;
	while (done < npages) {
		uintptr_t at = va + done * MM_PAGE_SIZE;

		if (step > npages - done)
			step = npages - done;
		ret = in_pages(gated_zero(b, at, step * MM_PAGE_SIZE, write));
		if (!may_go_on(ret, &done, &step))
			break;
	}
	return done ? (ssize_t)done : ret;
}

/* ---- Giving ---- */

/*
 * May the frames themselves go?  Not a few: moving them flushes the TLB, which
 * interrupts each CPU that runs a thread of ours, and a copy does not.  Nor a
 * part of a huge page, nor a huge page to where a page table is: the kernel
 * would split it, for more than a copy costs.
 */
static bool may_move(const struct uffd *b, uintptr_t va, uintptr_t frame,
		     size_t npages)
{
	uintptr_t slot = block_of(frame);
	unsigned first = (unsigned)((frame - slot) >> MM_PAGE_SHIFT);
	struct mm_set there, huge;

	if (!b->mm.can_move || npages < MOVE_FROM || !in_slots(b, frame) ||
	    (frame - slot) != (va & (MM_BLOCK_SIZE - 1)))
		return false;
	if (!b->has.scan)
		return true;
	if (uffd_scan(b, slot, first, first + 1, &there, &huge))
		return false;
	return !set_has(&huge, first) ||
	       (npages == MM_BLOCK_PAGES && was_huge(b, va));
}

ssize_t uffd_give(struct mm *mm, uintptr_t va, uintptr_t frame, size_t npages,
		  bool *ret_moved)
{
	struct uffd *b = to_uffd(mm);
	bool huge = npages == MM_BLOCK_PAGES && was_huge(b, va);
	size_t done = 0;
	ssize_t ret = 0;

	*ret_moved = false;
	if (!may_move(b, va, frame, npages))
		return uffd_fill(mm, va, (const void *)frame, npages);
	while (done < npages) {
		uintptr_t off = done * MM_PAGE_SIZE;

		ret = in_pages(gated_move(b, va + off, frame + off,
					  (npages - done) * MM_PAGE_SIZE));
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	if (!huge || done != npages)
		uffd_hint_small(b, va);
	*ret_moved = done > 0;
	if (done == npages || ret == -EAGAIN || ret == -EEXIST)
		return done ? (ssize_t)done : ret;

	/* A hole, a frame that is in use, a mapping that does not suit. */
	va += done * MM_PAGE_SIZE;
	frame += done * MM_PAGE_SIZE;
	ret = uffd_fill(mm, va, (const void *)frame, npages - done);
	if (!done)
		return ret;
	if (ret > 0) {
		uffd_drop(mm, frame, (size_t)ret);
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

void uffd_wake(struct mm *mm, uintptr_t va, size_t npages)
{
	uffd_wake_range(to_uffd(mm), va, npages * MM_PAGE_SIZE);
}
