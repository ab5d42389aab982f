/* SPDX-License-Identifier: MIT */
/*
 * object_view.c - which mapping shows which part of which object.
 *
 * The table changes in event_lock only, with the gate closed or where nobody
 * can touch the view; it is read under its own lock.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/object.h"

/* ---- The table ---- */

static unsigned views_of(const struct uffd_objects *t,
			 const struct uffd_object *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->nr_views; i++)
		n += t->view[i].o == o;
	return n;
}

/* Locked. */
static bool push_view(struct uffd_objects *t, const struct uffd_view *v)
{
	if (t->nr_views == UFFD_MAX_VIEWS ||
	    views_of(t, v->o) == UFFD_OBJECT_VIEWS)
		return false;
	t->view[t->nr_views++] = *v;
	return true;
}

int uffd_view_add(struct uffd *b, struct uffd_object *o, uintptr_t start,
		  uintptr_t end, uintptr_t va, bool guard)
{
	struct uffd_view v = { start, end, va, o, guard };
	struct uffd_objects *t = uffd_objects_of(b);
	bool fits;

	sys_mutex_lock(&t->lock);
	fits = push_view(t, &v);
	sys_mutex_unlock(&t->lock);
	return fits ? 0 : -ENOSPC;
}

/* Cut [start, end) out of @v; the parts before and behind stay. */
static void cut_one(struct uffd_objects *t, unsigned i, uintptr_t start,
		    uintptr_t end)
{
	struct uffd_view v = t->view[i], rest = v;

	t->view[i] = t->view[--t->nr_views];
	if (v.end > end) {
		rest.start = end;
		rest.va = v.va + (end - v.start);
		if (!push_view(t, &rest))
			v.o->lost = true;
	}
	if (v.start < start) {
		v.end = start;
		v.guard = false;
		if (!push_view(t, &v))
			v.o->lost = true;
	}
}

/* A view that overlaps, or NULL.  Locked. */
static struct uffd_view *overlapping(struct uffd_objects *t, uintptr_t start,
				     uintptr_t end)
{
	for (unsigned i = 0; i < t->nr_views; i++)
		if (t->view[i].start < end && start < t->view[i].end)
			return &t->view[i];
	return NULL;
}

/* Unless the program has mapped something there. */
static void drop_guard(const struct uffd *b, uintptr_t guard)
{
	struct uffd_vma vma;

	if (!guard || uffd_find_vma(b, guard, &vma) || vma.start > guard)
		return;
	if (vma.anon && !vma.read && !vma.write)
		sys_munmap(guard, MM_PAGE_SIZE);
}

void uffd_view_cut(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_objects *t = uffd_objects_of(b);
	struct uffd_view *v;

	if (!t)
		return;
	sys_mutex_lock(&t->lock);
	while ((v = overlapping(t, start, end))) {
		uintptr_t guard = v->guard && v->end <= end ? v->end : 0;

		cut_one(t, (unsigned)(v - t->view), start, end);
		drop_guard(b, guard);
	}
	sys_mutex_unlock(&t->lock);
}

bool uffd_view_any(struct uffd *b, const struct uffd_object *o,
		   struct uffd_view *ret)
{
	struct uffd_objects *t = uffd_objects_of(b);
	bool found = false;

	sys_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->nr_views && !found; i++) {
		found = t->view[i].o == o;
		if (found)
			*ret = t->view[i];
	}
	sys_mutex_unlock(&t->lock);
	return found;
}

bool uffd_object_mapped(struct mm *mm, uintptr_t va)
{
	struct uffd *b = to_uffd(mm);
	const struct uffd_object *o = uffd_object_at(b, va);
	struct uffd_view v;

	return o && (o->lost || uffd_view_any(b, o, &v));
}

/* The part of @v that shows [va, va + len). */
static bool part_of(const struct uffd_view *v, uintptr_t va, size_t len,
		    struct uffd_range *ret)
{
	uintptr_t first = v->va, last = v->va + (v->end - v->start);

	first = first > va ? first : va;
	last = last < va + len ? last : va + len;
	if (first >= last)
		return false;
	ret->start = v->start + (first - v->va);
	ret->end = v->start + (last - v->va);
	return true;
}

/*
 * Can it show more of the object, and nothing says so?  Behind the end of the
 * object there is nothing to be shown.
 */
static bool may_grow(const struct uffd_view *v)
{
	return !v->guard && v->va + (v->end - v->start) < v->o->va + v->o->len;
}

bool uffd_view_list(struct uffd *b, uintptr_t va, size_t len,
		    struct uffd_view_list *ret)
{
	struct uffd_object *o = uffd_object_at(b, va);
	struct uffd_objects *t = uffd_objects_of(b);
	bool sure = !o->lost;

	ret->nr = 0;
	sys_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->nr_views; i++) {
		const struct uffd_view *v = &t->view[i];

		if (v->o != o)
			continue;
		sure = sure && !may_grow(v);
		ret->nr += part_of(v, va, len, &ret->v[ret->nr]);
	}
	sys_mutex_unlock(&t->lock);
	return sure;
}

/* ---- Finding ---- */

int uffd_object_find(struct mm *mm, uintptr_t addr, size_t len,
		     uintptr_t *ret_va)
{
	struct uffd_objects *t = uffd_objects_of(to_uffd(mm));
	const struct uffd_view *v;
	int ret = 0;

	*ret_va = 0;
	if (!t)
		return 0;
	sys_mutex_lock(&t->lock);
	v = overlapping(t, addr, addr + len);
	if (v && v->start <= addr && addr + len <= v->end)
		*ret_va = v->va + (addr - v->start);
	else if (v)
		ret = -EINVAL;
	sys_mutex_unlock(&t->lock);
	return ret;
}

bool uffd_is_view(struct uffd *b, uintptr_t addr)
{
	uintptr_t va;

	return !uffd_object_find(&b->mm, addr, 1, &va) && va;
}

/* ---- Events ---- */

struct uffd_object *uffd_object_of(struct uffd *b, const struct uffd_vma *vma)
{
	struct uffd_objects *t = uffd_objects_of(b);
	struct uffd_object *found = NULL;

	sys_mutex_lock(&t->lock);
	for (unsigned i = 0; i < UFFD_MAX_OBJECTS && !found; i++)
		if (t->o[i].va && t->o[i].inode == vma->inode)
			found = &t->o[i];
	sys_mutex_unlock(&t->lock);
	return found;
}

/*
 * Map a guard page behind a view, so that mremap(2) cannot lengthen the view.
 * Where something is mapped the program could unmap that later: then there is
 * no guard, and the pages stay.
 */
static bool put_guard(uintptr_t end)
{
	uintptr_t at;

	return !sys_mmap(end, MM_PAGE_SIZE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				 MAP_FIXED_NOREPLACE,
			 &at);
}

int uffd_view_enter(struct uffd *b, struct uffd_object *o,
		    const struct uffd_vma *vma)
{
	uintptr_t va = uffd_object_va(o, vma);
	size_t len = vma->end - vma->start, shows = o->va + o->len - va;
	int ret;

	if (shows > len)
		shows = len;
	/* uffd_show_replaced() has shown what was at this address before. */
	if (!uffd_is_adopted(o) || !o->shown)
		sys_madvise(vma->start, len, MADV_DONTFORK);
	sys_madvise(vma->start, len, MADV_NOHUGEPAGE);
	ret = uffd_register(b->u, vma->start, len,
			    UFFDIO_REGISTER_MODE_MISSING |
				    UFFDIO_REGISTER_MODE_WP);
	if (!ret)
		ret = uffd_view_add(b, o, vma->start, vma->start + shows, va,
				    va + len < o->va + o->len &&
					    put_guard(vma->end));
	if (ret)
		o->lost = true;
	uffd_ranges_add(b, vma->start, vma->end);
	return ret;
}

/* Enter the view that is mapped at @addr now in the table. */
static void look_again(struct uffd *b, uintptr_t addr)
{
	struct uffd_object *o;
	struct uffd_vma vma;

	if (uffd_find_vma(b, addr, &vma) || vma.start > addr)
		return;
	o = uffd_object_of(b, &vma);
	if (!o || !uffd_object_va(o, &vma))
		return;
	uffd_view_cut(b, vma.start, vma.end);
	uffd_view_enter(b, o, &vma);
}

/*
 * The length of the new mapping is looked up: the event tells the old length,
 * which is 0 if mremap(2) made one more mapping of the same memory.
 */
bool uffd_view_remap(struct uffd *b, uintptr_t from, uintptr_t to, size_t len)
{
	if (!uffd_objects_of(b) || !uffd_is_view(b, from))
		return false;
	if (len) {
		uffd_view_cut(b, from, from + len);
		uffd_ranges_del(b, from, from + len);
	}
	uffd_view_cut(b, to, to + (len ? len : 1));
	look_again(b, to);
	if (len)
		look_again(b, from);
	return true;
}

/* ---- Faults ---- */

/* Where a mapping that is in no table shows an object, or 0. */
static uintptr_t find_by_maps(struct uffd *b, uintptr_t addr)
{
	struct uffd_object *o = NULL;
	struct uffd_vma vma;

	if (!uffd_find_vma(b, addr, &vma) && vma.start <= addr)
		o = uffd_object_of(b, &vma);
	if (!o || !uffd_object_va(o, &vma))
		return 0;
	return uffd_object_va(o, &vma) + (addr - vma.start);
}

bool uffd_is_shared(struct uffd *b, uintptr_t addr)
{
	return uffd_objects_of(b) && find_by_maps(b, addr);
}

/*
 * A view that is not in the table is no view that wake() knows: its toucher
 * looks again.
 */
static enum mm_outcome fault_by_maps(struct uffd *b, uintptr_t addr,
				     unsigned flags)
{
	const struct mm_client *c = b->mm.client;
	uintptr_t va = find_by_maps(b, addr);
	enum mm_outcome out;

	if (!va)
		return c->fault(c->priv, addr, flags);
	out = c->fault(c->priv, va, flags);
	return out == MM_RESOLVED || out == MM_WAIT ? MM_RETRY : out;
}

enum mm_outcome uffd_fault(struct uffd *b, uintptr_t addr, unsigned flags)
{
	const struct mm_client *c = b->mm.client;
	uintptr_t va;

	if (!uffd_objects_of(b))
		return c->fault(c->priv, addr, flags);
	uffd_object_find(&b->mm, addr, 1, &va);
	if (va)
		return c->fault(c->priv, va, flags);
	if (uffd_ranges_has(b, addr))
		return c->fault(c->priv, addr, flags);
	return fault_by_maps(b, addr, flags);
}
