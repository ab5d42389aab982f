/* SPDX-License-Identifier: MIT */
/* track.c - ranges are registered, and given back. */
#include <errno.h>

#include "mm/uffd/uffd.h"

enum {
	TRIES = 10000,
	FEW = 64,
};

/* The mappings of a range, in order and without gaps, as they were. */
struct track_parts {
	struct mm_extent few[FEW], *many; /* @many: not NULL: they are there */
	size_t n, max;
};

static struct mm_extent *first_part(struct track_parts *p)
{
	return p->many ? p->many : p->few;
}

static void free_parts(struct track_parts *p)
{
	sys_free(p->many, p->max * sizeof(*p->many));
}

/* Return: -EAGAIN: there is room for more of them; -ENOMEM. */
static int grow_parts(struct track_parts *p)
{
	size_t max = 4 * p->max;
	struct mm_extent *many = sys_alloc(max * sizeof(*many));

	if (!many)
		return -ENOMEM;
	if (p->many)
		free_parts(p);
	p->many = many;
	p->max = max;
	return -EAGAIN;
}

/* Return: 0; -E2BIG: there are too many; -errno of the survey. */
static int look_at_parts(struct uffd *b, struct track_parts *p, uintptr_t start,
			 uintptr_t end)
{
	struct mm_extent *part = first_part(p);
	ssize_t n = uffd_survey(&b->mm, start, end, part, p->max);

	if (n <= 0)
		return n ? (int)n : -EIO;
	p->n = (size_t)n;
	return part[n - 1].end < end ? -E2BIG : 0;
}

static bool is_one_mapping(struct uffd *b, const struct mm_extent *e)
{
	struct mm_extent now;

	return uffd_survey(&b->mm, e->start, e->end, &now, 1) == 1 &&
	       now.kind == MM_ANON && now.end == e->end;
}

static int register_part(struct uffd *b, const struct mm_extent *e)
{
	int ret = uffd_register(b->u, e->start, e->end - e->start,
				UFFDIO_REGISTER_MODE_MISSING |
					UFFDIO_REGISTER_MODE_WP);

	if (ret != -EINVAL)
		return ret;
	return is_one_mapping(b, e) ? -ENOMEM : -EAGAIN;
}

/*
 * Device memory that was put there since the caller looked is registered in its
 * own way, which this would end, so it is left out.  Return: 0, -EAGAIN,
 * -ENOMEM: nothing is mapped, or another -errno.
 */
static int register_parts(struct uffd *b, struct track_parts *p)
{
	bool mapped = false;
	int ret = 0;

	for (size_t i = 0; i < p->n && !ret; i++) {
		const struct mm_extent *e = &first_part(p)[i];

		mapped = mapped || e->kind != MM_UNMAPPED;
		if (e->kind == MM_ANON)
			ret = register_part(b, e);
	}
	return !ret && !mapped ? -ENOMEM : ret;
}

/*
 * Is each part registered, from its start to its end?  There may have been a
 * hole in it.  The program fills a hole with a mapping of its own, which is not
 * registered, and no event tells.  So each part must be in one mapping now.
 * When a registered mapping is replaced, an event is under way.
 */
static bool are_registered(struct uffd *b, struct track_parts *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct mm_extent *e = &first_part(p)[i];

		if (e->kind == MM_ANON && !is_one_mapping(b, e))
			return false;
	}
	return !uffd_is_changing(b);
}

/*
 * Tell the client, before any event of the range can be applied.  Caller holds
 * event_lock.
 */
static int tell_parts(struct uffd *b, struct track_parts *p)
{
	const struct mm_client *c = b->mm.client;
	int ret = 0;

	for (size_t i = 0; i < p->n && !ret; i++) {
		const struct mm_extent *e = &first_part(p)[i];

		if (e->kind != MM_ANON)
			continue;
		uffd_ranges_add(b, e->start, e->end);
		if (c->tracked)
			ret = c->tracked(c->priv, e->start, e->end);
		uffd_hide_new(b, e->start, e->end);
	}
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

/*
 * Return: 0, -errno; -EAGAIN while the address space is changing; -E2BIG: there
 * are too many parts.  *@ret_new: the range was told to the client, and was not
 * known before.
 */
static int track_once(struct uffd *b, struct track_parts *p, uintptr_t start,
		      uintptr_t end, bool *ret_new)
{
	int ret;

	uffd_drain(b);
	uffd_inline_changed(b);
	ret = look_at_parts(b, p, start, end);
	if (!ret)
		ret = register_parts(b, p);
	if (!ret && !are_registered(b, p))
		ret = -EAGAIN;
	*ret_new = !ret && !uffd_ranges_touch(b, start, end);
	if (!ret)
		ret = tell_parts(b, p);
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
	struct track_parts p = { .max = FEW };
	int ret = -EAGAIN;
	bool new = false;

	for (int i = 0; i < TRIES && ret == -EAGAIN; i++) {
		if (i)
			/* the thread that raised an event is to run */
			sys_rest((unsigned)i, SYS_REST_NS);
		sys_mutex_lock(&b->keeper.lock);
		sys_mutex_lock(&b->event_lock);
		ret = track_once(b, &p, start, end, &new);
		sys_mutex_unlock(&b->event_lock);
		sys_mutex_unlock(&b->keeper.lock);
		if (ret == -E2BIG)
			ret = grow_parts(&p);
	}
	if (p.many)
		free_parts(&p);
	if (!ret && atomic_load(&b->nodes.nr_avoided))
		ret = uffd_isolate(mm, start, end);
	if (ret && new)
		take_back_tracked(b, start, end);
	return ret;
}

/* Holds event_lock. */
static void untrack_locked(struct uffd *b, uintptr_t start, uintptr_t end)
{
	int ret;

	uffd_ranges_del(b, start, end);
	uffd_release(b, start, end);
	uffd_show(b, start, end);
	ret = uffd_unregister(b->u, start, end - start);
	/* -EINVAL: nothing is mapped, or a file by now is in a part of it. */
	while (ret == -EINVAL && start < end) {
		struct uffd_vma vma;

		if (uffd_find_vma(b, start, &vma) || vma.start >= end)
			break;
		if (vma.start > start)
			start = vma.start;
		if (vma.end > end)
			vma.end = end;
		uffd_unregister(b->u, start, vma.end - start);
		start = vma.end;
	}
}

/*
 * Track the range as it is mapped now.  Holds event_lock.  A part that fails is
 * not tracked, which is what the caller wants.
 */
static void track_again(struct uffd *b, uintptr_t start, uintptr_t end)
{
	const struct mm_client *c = b->mm.client;
	struct mm_extent e;

	uffd_inline_changed(b);
	for (; start < end; start = e.end) {
		if (uffd_survey(&b->mm, start, end, &e, 1) != 1)
			break;
		if (e.kind != MM_ANON || register_part(b, &e))
			continue;
		uffd_ranges_add(b, e.start, e.end);
		c->tracked(c->priv, e.start, e.end);
		uffd_hide_new(b, e.start, e.end);
	}
	uffd_inline_changed(b);
}

/*
 * The event of a mapping that mremap(2) has moved into the range would make the
 * client believe that it is tracked, perhaps with pages that are away.  So no
 * such event may be in flight when the range is unregistered.  If one came up
 * just then, the range is tracked again before the event is read, and before
 * the thread that moved the mapping goes on.  Return: false: try again.
 */
static bool untrack_once(struct uffd *b, uintptr_t start, uintptr_t end,
			 mm_forget_fn *forget, void *priv, int *ret)
{
	uffd_drain(b);
	if (uffd_is_changing(b))
		return false;
	*ret = forget(priv, start, end);
	if (*ret)
		return true;
	untrack_locked(b, start, end);
	b->mm.was_unprotected = uffd_is_changing(b);
	if (!b->mm.was_unprotected)
		return true;
	track_again(b, start, end);
	return false;
}

static void untrack_surely(struct uffd *b, uintptr_t start, uintptr_t end)
{
	sys_mutex_lock(&b->event_lock);
	untrack_locked(b, start, end);
	sys_mutex_unlock(&b->event_lock);
}

/*
 * Forgetting and unregistering are one step for other threads, under
 * event_lock.
 */
int uffd_untrack(struct mm *mm, uintptr_t start, uintptr_t end,
		 mm_forget_fn *forget, void *priv)
{
	struct uffd *b = to_uffd(mm);
	bool done = !forget;
	int ret = 0;

	if (done)
		untrack_surely(b, start, end);
	for (unsigned i = 0; i < TRIES && !done; i++) {
		if (i)
			sys_rest(i, SYS_REST_NS);
		sys_mutex_lock(&b->event_lock);
		done = untrack_once(b, start, end, forget, priv, &ret);
		sys_mutex_unlock(&b->event_lock);
	}
	return done ? ret : -EBUSY;
}
