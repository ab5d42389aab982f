/* SPDX-License-Identifier: MIT */
/*
 * exclusive.c - pages that only one device may touch.
 *
 * Such a page rests in its frame, P_EXCLUSIVE, with the number of its mirror in
 * its word, and the device has the frame's address.  A touch of the CPU makes
 * it P_REVOKING: the device is told, and when it has let go the frame is
 * mapped.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/move/exclusive.h"
#include "core/move/home.h"
#include "core/move/out.h"
#include "core/move/out_steps.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* ---- Taking ----------------------------------------------------------- */

/* Return: -EBUSY when all pages that could be taken are pinned. */
static int select_exclusive(struct out *o, const struct mm_set *want)
{
	bool pinned = false;

	dropped_settle(o->m.u, o->m.b, want);
	block_managed(o->m.u, o->m.b, &o->managed);
	set_for_each(want, i) {
		uint64_t w = block_word(o->m.b, i);

		if (!set_has(&o->managed, i))
			continue;
		if (page_pins(w))
			pinned = true;
		else if (page_state(w) == P_RAM)
			set_add(&o->f.want, i);
	}
	return pinned && set_empty(&o->f.want) ? -EBUSY : 0;
}

/*
 * Freeze the pages into frames.  Called and returns with the block's lock held,
 * but may release it for a while.
 */
static int freeze_exclusive_relock(struct out *o, bool *ret_waited) NOT_GUARDED
{
	int err = out_take_frames(o);

	*ret_waited = false;
	if (err)
		return err;
	set_for_each(&o->f.holes, i)
		block_event(o->m.u, o->m.b, i, E_HOLE);
	set_for_each(&o->f.framed, i)
		block_event(o->m.u, o->m.b, i, E_TAKE);
	o->m.set = o->f.framed;
	out_set_aside(o);
	if (set_empty(&o->left))
		return 0;
	block_unlock(o->m.u, o->m.b);
	out_take_aside_lock(o);
	out_sort_aside(o);
	set_for_each(&o->zero, i)
		if (page_state(block_word(o->m.b, i)) == P_CLEARING)
			block_event(o->m.u, o->m.b, i, E_STAY);
	*ret_waited = true;
	return 0;
}

static void mark_exclusive(struct out *o, unsigned id)
{
	set_for_each(&o->m.set, i)
		if (page_state(block_word(o->m.b, i)) == P_LEAVING)
			block_arrive(o->m.u, o->m.b, i, id, 0, E_EXCLUDE);
}

static int exclusive_result(const struct out *o, const struct mm_set *want)
{
	return set_empty(want) || !set_empty(&o->m.set) ? 0 : -EBUSY;
}

int exclusive_take(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id)
{
	bool waited = false;
	struct mm_set asked;
	struct out o;
	int err;

	out_init(&o, u, b, NULL);
	block_take_mover(u, b);
	err = out_give_slot(u, b, want);
	if (err)
		goto out;
	block_lock(b);
	err = block_ensure_table(u, b);
	if (!err)
		err = select_exclusive(&o, want);
	asked = o.f.want;
	if (!err)
		err = freeze_exclusive_relock(&o, &waited);
	if (!err) {
		mark_exclusive(&o, id);
		err = exclusive_result(&o, &asked);
	}
	block_release_slot(u, b);
	block_unlock(u, b);
	if (waited)
		block_settle(u, b, false);
	out_free_gone(&o);
	mirror_invalidate_set(u, b, &o.m.set, UHMM_NOTIFY_EXCLUSIVE);
out:
	block_let_go(u, b);
	return err;
}

/* ---- Giving back ------------------------------------------------------ */

static bool is_exclusive_to(uint64_t w, unsigned id)
{
	return page_state(w) == P_EXCLUSIVE && (!id || page_dev(w) == id);
}

/* Return: the pages to be thawed.  Caller holds b->lock. */
static struct mm_set mark_revoking(struct uhmm *u, struct block *b,
				   const struct mm_set *want, unsigned id)
{
	struct mm_set ret;

	set_clear(&ret);
	if (!b->nr[P_EXCLUSIVE])
		return ret;
	set_for_each(want, i) {
		if (!is_exclusive_to(block_word(b, i), id))
			continue;
		block_event(u, b, i, E_REVOKE);
		set_add(&ret, i);
	}
	return ret;
}

/*
 * Map revoked pages again.  A page that cannot be mapped now stays in its
 * frame, where a fault finds it.  The block keeps its slot, because only a
 * mover may take that.
 */
static void thaw_revoked(struct uhmm *u, struct block *b,
			 const struct mm_set *set)
{
	home_thaw_set(u, b, set, P_REVOKING);
	set_for_each(set, i)
		if (page_state(block_word(b, i)) == P_REVOKING)
			block_event(u, b, i, E_PARK);
}

/*
 * Pages of @set are P_REVOKING.  Called with b->lock held, returns with it
 * released.
 */
static void revoke_unlock(struct uhmm *u, struct block *b,
			  const struct mm_set *set) LETS_GO(b->lock)
{
	block_unlock(u, b);
	mirror_invalidate_set(u, b, set, UHMM_NOTIFY_EXCLUSIVE);
	block_lock(b);
	thaw_revoked(u, b, set);
	block_unlock(u, b);
	block_settle(u, b, true);
}

void exclusive_end(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id)
{
	struct mm_set set;

	block_lock(b);
	set = mark_revoking(u, b, want, id);
	if (set_empty(&set))
		block_unlock(u, b);
	else
		revoke_unlock(u, b, &set);
}

enum mm_outcome exclusive_fault_unlock(struct uhmm *u, struct block *b,
				       unsigned i)
{
	struct mm_set set;

	set_clear(&set);
	set_add(&set, i);
	block_event(u, b, i, E_REVOKE);
	revoke_unlock(u, b, &set);
	count_add(&u->count.soft_faults, 1);
	return MM_RETRY;
}
