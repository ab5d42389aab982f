/* SPDX-License-Identifier: MIT */
/* track.c - ranges are registered, and given back. */
#include <errno.h>

#include "mm/uffd/uffd.h"

enum {
	TRIES = 10000,
	SLEEP_NS = 100000,
};

typedef int anon_fn(struct uffd *b, const struct mm_extent *e);

/*
 * Call @fn for what is anonymous in [start, end).  *@ret_mapped: whether
 * anything is mapped there.  Return: 0, -errno of the survey or of @fn.
 */
static int each_anon(struct uffd *b, uintptr_t start, uintptr_t end,
		     anon_fn *fn, bool *ret_mapped)
{
	int ret = 0;

	*ret_mapped = false;
	while (start < end && !ret) {
		struct mm_extent e;
		ssize_t n = uffd_survey(&b->mm, start, end, &e, 1);

		if (n <= 0)
			return n ? (int)n : -EIO;
		start = e.end;
		*ret_mapped = *ret_mapped || e.kind != MM_UNMAPPED;
		if (e.kind == MM_ANON)
			ret = fn(b, &e);
	}
	return ret;
}

/*
 * Tell the client, before any event of the range can be applied.  Parts that
 * were unmapped since the survey are left out.  Caller holds event_lock.
 */
static int tell_extent(struct uffd *b, const struct mm_extent *e)
{
	const struct mm_client *c = b->mm.client;
	int ret = 0;

	uffd_ranges_add(b, e->start, e->end);
	if (c->tracked)
		ret = c->tracked(c->priv, e->start, e->end);
	uffd_hide_new(b, e->start, e->end);
	return ret;
}

static int forget_tracked(void *priv, uintptr_t start, uintptr_t end)
{
	const struct mm_client *c = priv;

	c->unmap(c->priv, start, end);
	return 0;
}

/*
 * Undo tracking after an error.  Not for a range that was known before, which
 * another thread has tracked, or that could not be registered: it is another's.
 */
static void take_back_tracked(struct uffd *b, uintptr_t start, uintptr_t end)
{
	uffd_untrack(&b->mm, start, end, forget_tracked, (void *)b->mm.client);
}

static int register_extent(struct uffd *b, const struct mm_extent *e)
{
	return uffd_register(b->u, e->start, e->end - e->start,
			     UFFDIO_REGISTER_MODE_MISSING |
				     UFFDIO_REGISTER_MODE_WP);
}

/*
 * Register what is anonymous in [start, end).  Device memory that was put there
 * since the caller looked is registered in its own way, which this one would
 * end.  Return: 0, -ENOMEM: nothing is mapped, or another -errno.
 */
static int register_anon(struct uffd *b, uintptr_t start, uintptr_t end)
{
	bool mapped;
	int ret = each_anon(b, start, end, register_extent, &mapped);

	return ret == -EINVAL || (!ret && !mapped) ? -ENOMEM : ret;
}

/*
 * Return: 0, -errno; -EAGAIN while the address space is changing.  *@ret_new:
 * the range was told to the client, and was not known before.
 */
static int track_once(struct uffd *b, uintptr_t start, uintptr_t end,
		      bool *ret_new)
{
	bool mapped;
	int ret;

	uffd_drain(b);
	uffd_inline_changed(b);
	ret = register_anon(b, start, end);
	if (!ret && uffd_is_changing(b))
		ret = -EAGAIN;
	*ret_new = !ret && !uffd_ranges_touch(b, start, end);
	if (!ret)
		ret = each_anon(b, start, end, tell_extent, &mapped);
	uffd_inline_changed(b);
	return ret;
}

/*
 * An event that was raised before could still be unread, and be taken for one
 * of the new range.  So none may be in flight after registration: each one
 * read before is applied, because event_lock is held throughout.  No mapping
 * is replaced by device memory meanwhile, because the keeper's lock is held.
 */
int uffd_track(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct uffd *b = to_uffd(mm);
	int ret = -EAGAIN;
	bool new = false;

	for (int i = 0; i < TRIES && ret == -EAGAIN; i++) {
		if (i)
			/* the thread that raised an event is to run */
			sys_rest((unsigned)i, SLEEP_NS);
		sys_mutex_lock(&b->keeper.lock);
		sys_mutex_lock(&b->event_lock);
		ret = track_once(b, start, end, &new);
		sys_mutex_unlock(&b->event_lock);
		sys_mutex_unlock(&b->keeper.lock);
	}
	if (!ret && atomic_load(&b->nodes.nr_avoided))
		ret = uffd_isolate(mm, start, end);
	if (ret && new)
		take_back_tracked(b, start, end);
	return ret;
}

/* Holds event_lock. */
static int untrack_locked(struct uffd *b, uintptr_t start, uintptr_t end)
{
	int ret;

	uffd_ranges_del(b, start, end);
	uffd_release(b, start, end);
	uffd_fork_hide(&b->mm, start, end, false);
	ret = uffd_unregister(b->u, start, end - start);
	/* -EINVAL: nothing is mapped, or a file by now is in a part of it. */
	while (ret == -EINVAL && start < end) {
		struct uffd_vma vma;

		if (uffd_find_vma(b, start, &vma) || vma.start >= end)
			return 0;
		if (vma.start > start)
			start = vma.start;
		if (vma.end > end)
			vma.end = end;
		uffd_unregister(b->u, start, vma.end - start);
		start = vma.end;
		if (start == end)
			ret = 0;
	}
	return ret;
}

/*
 * Forgetting and unregistering are one step for other threads, under
 * event_lock.
 */
int uffd_untrack(struct mm *mm, uintptr_t start, uintptr_t end,
		 mm_forget_fn *forget, void *priv)
{
	struct uffd *b = to_uffd(mm);
	int ret;

	sys_mutex_lock(&b->event_lock);
	ret = forget ? forget(priv, start, end) : 0;
	if (!ret)
		ret = untrack_locked(b, start, end);
	sys_mutex_unlock(&b->event_lock);
	return ret;
}
