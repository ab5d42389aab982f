/* SPDX-License-Identifier: MIT */
/*
 * object_fork.c - adopted objects and the children that share them.
 *
 * A mover hides an object in the gate, and a forking thread shows it in
 * event_lock, when the views in the table are those that are mapped.  The order
 * of the steps is what counts for a process that another thread makes past
 * fork(2)'s handlers meanwhile: as long as any view would be in that process,
 * the token is.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/object.h"

enum {
	TRIES = 10000,
	REST_NS = 20 * 1000 * 1000, /* until the token is asked again */
};

/* The caller holds the lock of the table. */
static int advise_views(const struct uffd_objects *t,
			const struct uffd_object *o, int advice)
{
	int ret = 0;

	for (unsigned i = 0; i < t->nr_views; i++) {
		const struct uffd_view *v = &t->view[i];
		int err = 0;

		if (v->o == o)
			err = sys_madvise(v->start, v->end - v->start, advice);
		ret = err ? err : ret;
	}
	return ret;
}

/*
 * Whatever fails, the object is shown again; where that fails as well, it is
 * shown before the next fork(2).
 */
static bool hide_locked(struct uffd *b, const struct uffd_objects *t,
			struct uffd_object *o)
{
	bool hidden = !advise_views(t, o, MADV_DONTFORK);

	sys_token_hide(&o->token);
	hidden = hidden && !uffd_is_changing(b);
	if (hidden && sys_token_is_alone(&o->token)) {
		o->shown = false;
		return true;
	}
	if (hidden)
		o->asked_ns = sys_now_ns();
	o->partly = sys_token_show(&o->token) ||
		    advise_views(t, o, MADV_DOFORK);
	return false;
}

bool uffd_object_hide(struct uffd *b, struct uffd_object *o)
{
	struct uffd_objects *t = uffd_objects_of(b);
	bool hidden;

	if (!uffd_is_adopted(o))
		return true;
	sys_mutex_lock(&t->lock);
	hidden = !o->shown;
	if (!hidden && o->entered && !o->lost &&
	    sys_now_ns() - o->asked_ns > REST_NS)
		hidden = hide_locked(b, t, o);
	sys_mutex_unlock(&t->lock);
	return hidden;
}

bool uffd_object_alone(struct mm *mm, uintptr_t va)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object *o = uffd_object_at(b, va);
	bool alone;

	if (!o || uffd_gate_enter(b))
		return false;
	alone = uffd_object_hide(b, o);
	uffd_gate_leave(b);
	return alone;
}

/* ---- For a child ---- */

/* Without the token the processes that have it are unknown: no page leaves. */
static int show_locked(const struct uffd_objects *t, struct uffd_object *o)
{
	int ret = 0;

	if (o->shown && !o->partly)
		return 0;
	if (sys_token_show(&o->token))
		o->entered = false;
	o->shown = true;
	o->asked_ns = 0;
	ret = advise_views(t, o, MADV_DOFORK);
	o->partly = ret;
	return ret;
}

/* With an event under way, a view may be at another address already. */
int uffd_object_show(struct mm *mm, uintptr_t va)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_objects *t = uffd_objects_of(b);
	struct uffd_object *o = uffd_object_at(b, va);
	int ret;

	if (!o || !uffd_is_adopted(o))
		return -EINVAL;
	sys_mutex_lock(&b->event_lock);
	for (int i = 0; i < TRIES; i++) {
		uffd_drain(b);
		if (!uffd_is_changing(b))
			break;
		sys_yield();
	}
	sys_mutex_lock(&t->lock);
	ret = show_locked(t, o);
	sys_mutex_unlock(&t->lock);
	sys_mutex_unlock(&b->event_lock);
	return ret;
}
