/* SPDX-License-Identifier: MIT */
/*
 * adopted.c - shared memory that the program made, and that children share.
 *
 * Before a fork the pages of adopted objects come home, also where other pages
 * stay away for the child; then the backend shows the objects to the child.  An
 * object of which a page is lost is not shown: its child would find zeroes.
 *
 * Pages that a child has touched first are in RAM and not counted.
 * object_look_round() counts them when no child has the object any more.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/kick.h"
#include "core/fork/gate.h"
#include "core/move/fits.h"
#include "core/move/home.h"
#include "core/move/migrate.h"
#include "core/move/range.h"
#include "core/object/object.h"
#include "core/page/block.h"
#include "core/page/page.h"

/* ---- Bodies ------------------------------------------------------------ */

/* The views are entered when the object is managed: a fault there is served. */
static int take_views(struct uhmm_object *o)
{
	struct mm *mm = o->u->mm;
	int err = mm->ops->object_enter(mm, o->va);

	if (!err)
		err = range_seed(o->u, o->va, o->va + o->len);
	if (err)
		do_unregister(o->u, o->va, o->len);
	return err;
}

int do_object_adopt(struct uhmm_object *o, uintptr_t addr)
{
	struct mm *mm = o->u->mm;
	int err;

	if (!mm->ops->object_adopt)
		return -EOPNOTSUPP;
	err = mm->ops->object_adopt(mm, addr, &o->va, &o->len);
	if (err)
		return err;
	o->adopted = true;
	return object_manage(o, take_views);
}

int do_object_is_mapped(struct uhmm_object *o)
{
	struct mm *mm = o->u->mm;

	if (mm->ops->sync)
		mm->ops->sync(mm);
	return mm->ops->object_mapped(mm, o->va);
}

void object_drop_left(struct uhmm_object *o)
{
	struct mm *mm = o->u->mm;
	bool alone;

	if (do_object_is_mapped(o))
		return;
	gate_enter(o->u);
	alone = mm->ops->object_alone(mm, o->va);
	gate_leave(o->u);
	if (alone)
		do_object_discard(o, 0, o->len);
}

/* ---- Around fork(2) ---------------------------------------------------- */

static struct uhmm_object *next_adopted(struct uhmm_object *o)
{
	while (o && !o->adopted)
		o = o->next;
	return o;
}

#define adopted_for_each(u, o)                                         \
	for (struct uhmm_object *o = next_adopted((u)->objects.first); \
	     o != NULL; o = next_adopted(o->next))

void object_settle(struct uhmm *u)
{
	struct mm_set all;

	set_fill(&all);
	block_for_each(u, b)
		if (move_is_shared(u, b))
			home_block(u, b, &all, NULL, HOME_RESCUE, NULL);
}

/* Is there a page that the child would find as zeroes? */
static bool is_any_missing(struct uhmm_object *o)
{
	bool any = false;

	block_for_each(o->u, b) {
		if (b->va + MM_BLOCK_SIZE <= o->va || b->va >= o->va + o->len)
			continue;
		block_lock(b);
		any = any || block_nr(b, PAGE_LOST_IN_CHILD);
		block_unlock(o->u, b);
	}
	return any;
}

void object_show_all(struct uhmm *u)
{
	sys_mutex_lock(&u->objects.lock);
	adopted_for_each(u, o)
	{
		int err = is_any_missing(o) ? -EIO : 0;

		if (!err)
			err = u->mm->ops->object_show(u->mm, o->va);
		o->forked = o->forked || !err;
		if (err)
			sys_logf(
				&u->log, SYS_ERR,
				"a child of fork(2) does not have %ju bytes of "
				"shared memory: %s",
				(uintmax_t)o->len, sys_error(err));
	}
	sys_mutex_unlock(&u->objects.lock);
}

bool object_look_round(struct uhmm *u)
{
	bool any = false, again = false;

	if (!atomic_load_explicit(&u->objects.nr, memory_order_relaxed) ||
	    !gate_try(u))
		return false;
	sys_mutex_lock(&u->objects.lock);
	adopted_for_each(u, o)
	{
		if (!o->forked)
			continue;
		o->forked = !u->mm->ops->object_alone(u->mm, o->va);
		any = any || o->forked;
		again = again || !o->forked;
		if (!o->forked)
			range_seed(u, o->va, o->va + o->len);
	}
	sys_mutex_unlock(&u->objects.lock);
	gate_leave(u);
	if (again)
		policy_kick(u);
	return any;
}
