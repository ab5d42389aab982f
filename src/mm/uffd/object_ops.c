/* SPDX-License-Identifier: MIT */
/*
 * object_ops.c - the calls of mm.h that differ for objects: what is done to
 * one mapping elsewhere is done to all of them here, or not at all.
 */
#include "mm/uffd/object_ops.h"

#include <errno.h>
#include <string.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/object.h"

/* ---- Looking ---- */

int object_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		    struct mm_set *ret)
{
	const struct uffd_object *o = uffd_object_at(to_uffd(mm), va);

	return o ? uffd_object_resident(o, va, first, last, ret) :
		   uffd_resident(mm, va, first, last, ret);
}

int object_resident_now(struct mm *mm, uintptr_t va, unsigned first,
			unsigned last, struct mm_set *ret)
{
	const struct uffd_object *o = uffd_object_at(to_uffd(mm), va);

	return o ? uffd_object_resident(o, va, first, last, ret) :
		   uffd_resident_now(mm, va, first, last, ret);
}

/* A part of one block. */
static int look_at_part(const struct uffd_object *o, uintptr_t start,
			size_t npages, uint16_t *ret)
{
	uintptr_t va = start & ~(MM_BLOCK_SIZE - 1);
	unsigned first = (unsigned)((start - va) >> MM_PAGE_SHIFT);
	struct mm_set there;
	int err = uffd_object_resident(o, va, first, first + (unsigned)npages,
				       &there);

	for (unsigned i = 0; !err && i < npages; i++)
		ret[i] = MM_LOOK_MAPPED | MM_LOOK_READ | MM_LOOK_WRITE |
			 MM_LOOK_SHARED |
			 (set_has(&there, first + i) ?
				  MM_LOOK_PRESENT | MM_LOOK_WRITABLE :
				  0);
	return err;
}

int object_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret)
{
	const struct uffd_object *o = uffd_object_at(to_uffd(mm), start);
	int err = 0;

	if (!o || start + npages * MM_PAGE_SIZE > o->va + o->len)
		return uffd_look(mm, start, npages, ret);
	while (npages && !err) {
		size_t n = (MM_BLOCK_SIZE - (start & (MM_BLOCK_SIZE - 1))) >>
			   MM_PAGE_SHIFT;

		n = n < npages ? n : npages;
		err = look_at_part(o, start, n, ret);
		start += n * MM_PAGE_SIZE;
		npages -= n;
		ret += n;
	}
	return err;
}

/* ---- Out ---- */

int object_freeze(struct mm *mm, struct mm_freeze *f)
{
	struct uffd_object *o = uffd_object_at(to_uffd(mm), f->va);

	return o ? uffd_object_freeze(to_uffd(mm), o, f) : uffd_freeze(mm, f);
}

int object_unprotect(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);

	if (!uffd_object_at(b, va))
		return uffd_unprotect(mm, va, npages);
	return uffd_object_protect(b, va, npages * MM_PAGE_SIZE, false);
}

void object_unshare(struct mm *mm, uintptr_t va, const struct mm_set *set)
{
	if (!uffd_object_at(to_uffd(mm), va))
		uffd_unshare(mm, va, set);
}

/* ---- In ---- */

/* Waiters at the object's own address are awake: wake those in its views. */
static void wake_views(struct mm *mm, uintptr_t va, ssize_t npages)
{
	struct uffd *b = to_uffd(mm);

	if (npages > 0 && uffd_object_at(b, va))
		uffd_object_wake(b, va, (size_t)npages * MM_PAGE_SIZE);
}

ssize_t object_fill(struct mm *mm, uintptr_t va, const void *src, size_t npages)
{
	ssize_t ret = uffd_fill(mm, va, src, npages);

	wake_views(mm, va, ret);
	return ret;
}

ssize_t object_give(struct mm *mm, uintptr_t va, uintptr_t frame, size_t npages,
		    bool *ret_moved)
{
	if (!uffd_object_at(to_uffd(mm), va))
		return uffd_give(mm, va, frame, npages, ret_moved);
	*ret_moved = false;
	return object_fill(mm, va, (const void *)frame, npages);
}

/* A page that is there may be one that could not be unprotected. */
ssize_t object_zero(struct mm *mm, uintptr_t va, size_t npages, bool write)
{
	struct uffd *b = to_uffd(mm);
	ssize_t ret = uffd_zero(mm, va, npages, write);

	wake_views(mm, va, ret);
	if (ret == -EEXIST && uffd_object_at(b, va))
		uffd_object_protect(b, va, MM_PAGE_SIZE, false);
	return ret;
}

void object_wake(struct mm *mm, uintptr_t va, size_t npages)
{
	if (uffd_object_at(to_uffd(mm), va))
		wake_views(mm, va, (ssize_t)npages);
	else
		uffd_wake(mm, va, npages);
}

/* A mark of protection would be in the way. */
static void poison_one(struct uffd *b, uintptr_t va)
{
	if (uffd_poison_range(b, va, MM_PAGE_SIZE) == -EEXIST) {
		uffd_protect(b, va, MM_PAGE_SIZE, false);
		uffd_poison_range(b, va, MM_PAGE_SIZE);
	}
}

int object_poison(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	int ret = uffd_poison(mm, va, npages);
	struct uffd_view_list list;

	if (!b->has.poison || !uffd_object_at(b, va))
		return ret;
	uffd_view_list(b, va, npages * MM_PAGE_SIZE, &list);
	for (unsigned i = 0; i < list.nr; i++)
		for (uintptr_t at = list.v[i].start; at < list.v[i].end;
		     at += MM_PAGE_SIZE)
			poison_one(b, at);
	wake_views(mm, va, (ssize_t)npages);
	return 0;
}

/* ---- Not for objects ---- */

/* No child has them, announced or not.  They may be next to what is shown. */
void object_fork_hide(struct mm *mm, uintptr_t start, uintptr_t end, bool hide)
{
	uintptr_t s, e;

	while (start < end) {
		if (!uffd_object_next(to_uffd(mm), start, end, &s, &e))
			s = e = end;
		if (s > start)
			uffd_fork_hide(mm, start, s, hide);
		start = e;
	}
}

ssize_t object_place(struct mm *mm, struct mm_place *p)
{
	return uffd_object_at(to_uffd(mm), p->va) ? -EOPNOTSUPP :
						    uffd_place(mm, p);
}

int object_site_look(struct mm *mm, struct mm_sites *n)
{
	if (!uffd_object_at(to_uffd(mm), n->va))
		return uffd_site_look(mm, n);
	set_for_each(&n->set, i)
		n->on[i] = -1;
	return 0;
}

void object_site_move(struct mm *mm, struct mm_sites *n)
{
	if (!uffd_object_at(to_uffd(mm), n->va)) {
		uffd_site_move(mm, n);
		return;
	}
	object_site_look(mm, n);
	set_for_each(&n->set, i)
		n->why[i] = UHMM_WHY_UNSUPPORTED;
}
