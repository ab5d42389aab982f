/* SPDX-License-Identifier: MIT */
/* object_move.c - pages of objects are taken from all views; see object.h */
#include <errno.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/object.h"
#include "sys/memfd.h"

/* ---- What is there ---- */

static int resident_in_alias(const struct uffd_object *o, uintptr_t va,
			     unsigned first, unsigned last, struct mm_set *ret)
{
	unsigned char there[MM_BLOCK_PAGES];
	uintptr_t at = va - o->va, end = at + last * MM_PAGE_SIZE;
	int err;

	at += first * MM_PAGE_SIZE;
	end = end < o->len ? end : o->len;
	set_clear(ret);
	if (at >= end)
		return 0;
	err = sys_mincore(o->alias + at, end - at, there);
	for (size_t i = 0; !err && i < (end - at) >> MM_PAGE_SHIFT; i++)
		if (there[i] & 1)
			set_add(ret, first + (unsigned)i);
	return err;
}

int uffd_object_resident(const struct uffd_object *o, uintptr_t va,
			 unsigned first, unsigned last, struct mm_set *ret)
{
	uint64_t at = va - o->va + first * MM_PAGE_SIZE;
	uint64_t end = va - o->va + last * MM_PAGE_SIZE;

	if (uffd_is_adopted(o))
		return resident_in_alias(o, va, first, last, ret);
	set_clear(ret);
	while (at < end) {
		int64_t data = sys_next_data(o->fd, at), hole;

		if (data == -ENXIO || data >= (int64_t)end)
			return 0;
		if (data < 0)
			return (int)data;
		hole = sys_next_hole(o->fd, (uint64_t)data);
		if (hole < 0)
			return (int)hole;
		if (hole > (int64_t)end)
			hole = (int64_t)end;
		set_add_run(ret,
			    first + (unsigned)(((uint64_t)data - at) >>
					       MM_PAGE_SHIFT),
			    first + (unsigned)(((uint64_t)hole - at) >>
					       MM_PAGE_SHIFT));
		first += (unsigned)(((uint64_t)hole - at) >> MM_PAGE_SHIFT);
		at = (uint64_t)hole;
	}
	return 0;
}

/* ---- All mappings ---- */

/* Lifting the protection of a view that is unmapped by now is no error. */
static int protect(const struct uffd *b, uintptr_t va, size_t len, bool on)
{
	int ret = uffd_protect(b, va, len, on);

	return ret == -ENOENT && !on ? 0 : ret;
}

static int protect_listed(const struct uffd *b,
			  const struct uffd_view_list *list, bool on)
{
	int ret = 0;

	for (unsigned i = 0; i < list->nr; i++) {
		uintptr_t start = list->v[i].start;
		int err = protect(b, start, list->v[i].end - start, on);

		ret = err ? err : ret;
		if (err && on)
			break;
	}
	return ret;
}

int uffd_object_protect(struct uffd *b, uintptr_t va, size_t len, bool on)
{
	struct uffd_view_list list;
	int ret = protect(b, va, len, on), err;

	uffd_view_list(b, va, len, &list);
	err = protect_listed(b, &list, on);
	return ret ? ret : err;
}

void uffd_object_wake(struct uffd *b, uintptr_t va, size_t len)
{
	struct uffd_view_list list;

	uffd_view_list(b, va, len, &list);
	uffd_wake_range(b, va, len);
	for (unsigned i = 0; i < list.nr; i++)
		uffd_wake_range(b, list.v[i].start,
				list.v[i].end - list.v[i].start);
}

/* ---- Out ---- */

static bool is_locked(const struct uffd_view_list *list)
{
	for (unsigned i = 0; i < list->nr; i++)
		if (sys_is_locked(list->v[i].start))
			return true;
	return false;
}

/* The pages stay in the object: empty their frames again. */
static void leave_in_object(struct uffd *b, struct mm_freeze *f, unsigned first,
			    unsigned last)
{
	uffd_drop(&b->mm, f->slot + first * MM_PAGE_SIZE, last - first);
	uffd_set_why(f, first, last, UHMM_WHY_BUSY);
}

/*
 * Holes have been made.  A part of a huge page that cannot be split is cleared
 * instead, and stays: it gets its data back while no view can be written to.
 */
static void note_holes(struct uffd *b, const struct uffd_object *o,
		       struct mm_freeze *f, unsigned first, unsigned last)
{
	struct mm_set there;

	set_add_run(&f->framed, first, last);
	if (uffd_object_resident(o, f->va, first, last, &there))
		return;
	set_for_each_run(&there, from, to) {
		uintptr_t off = from * MM_PAGE_SIZE;

		sys_copy((void *)(o->alias + (f->va - o->va) + off),
			 (const void *)(f->slot + off),
			 (to - from) * MM_PAGE_SIZE);
		set_del_run(&f->framed, from, to);
		leave_in_object(b, f, from, to);
	}
}

/* The pages are protected, so the copies have the same data. */
static void copy_and_punch(struct uffd *b, const struct uffd_object *o,
			   struct mm_freeze *f, unsigned first, unsigned last)
{
	uintptr_t off = first * MM_PAGE_SIZE, at = f->va - o->va + off;
	size_t len = (last - first) * MM_PAGE_SIZE;

	sys_copy((void *)(f->slot + off), (const void *)(o->alias + at), len);
	if (uffd_is_changing(b) || uffd_punch(o, o->va + at, len))
		leave_in_object(b, f, first, last);
	else
		note_holes(b, o, f, first, last);
}

/*
 * A run of pages that are there, into their frames.  Until the hole is made
 * they are where they were, and nothing has to be undone but the protection.
 * Where that cannot be lifted now, because mappings are changing, the next
 * fault there does it.
 */
static void take_run(struct uffd *b, const struct uffd_object *o,
		     struct mm_freeze *f, unsigned first, unsigned last)
{
	uintptr_t va = f->va + first * MM_PAGE_SIZE;
	size_t len = (last - first) * MM_PAGE_SIZE;
	struct uffd_view_list list;
	int ret;

	if (!uffd_view_list(b, va, len, &list)) {
		uffd_set_why(f, first, last, UHMM_WHY_SHARED);
		return;
	}
	if (is_locked(&list)) {
		uffd_set_why(f, first, last, UHMM_WHY_LOCKED);
		return;
	}
	ret = protect(b, va, len, true);
	if (!ret)
		ret = protect_listed(b, &list, true);
	if (ret)
		uffd_set_why(f, first, last, UHMM_WHY_BUSY);
	else
		copy_and_punch(b, o, f, first, last);
	protect(b, va, len, false);
	protect_listed(b, &list, false);
}

static void refuse_set(struct mm_freeze *f, const struct mm_set *set,
		       enum uhmm_why why)
{
	set_for_each_run(set, first, last)
		uffd_set_why(f, first, last, (uint8_t)why);
}

static int take_all(struct uffd *b, const struct uffd_object *o,
		    struct mm_freeze *f)
{
	struct mm_set there, want;
	int ret = uffd_object_resident(o, f->va, 0, MM_BLOCK_PAGES, &there);

	if (ret)
		return ret;
	want = set_minus(&f->want, &there);
	if (uffd_is_adopted(o)) /* swapped out, perhaps */
		refuse_set(f, &want, UHMM_WHY_BUSY);
	else
		f->holes = want;
	want = set_and(&f->want, &there);
	set_for_each_run(&want, first, last)
		take_run(b, o, f, first, last);
	return 0;
}

/*
 * The client knows only the object's own mapping, which never changes: so pages
 * found there are right, whatever happens to views.
 */
int uffd_object_freeze(struct uffd *b, struct uffd_object *o,
		       struct mm_freeze *f)
{
	int ret;

	uffd_freeze_clear(f);
	if (set_empty(&f->want))
		return 0;
	ret = uffd_gate_enter(b);
	if (ret)
		return ret;
	f->stamp = uffd_stamp_all(b, f->va);
	if (uffd_object_hide(b, o))
		ret = take_all(b, o, f);
	else
		refuse_set(f, &f->want, UHMM_WHY_SHARED);
	uffd_gate_leave(b);
	return ret;
}
