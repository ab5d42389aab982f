/* SPDX-License-Identifier: MIT */
/*
 * out.c - pages of one block leave for a device.
 *
 * DOC: Steps
 *
 *	1  select   which pages can go, and a device page for each
 *	2  freeze   take them from the CPU, into frames; from here on their data
 *		    stand still
 *	3  copy     by the provider, without locks.  The CPU may touch a page
 *		    meanwhile: it is mapped again at once, from its frame, and
 *		    the copy is in vain
 *	4  arrive   pages that are still ours are on the device now; the
 *		    others' device pages are freed
 *	5  place    where the CPU can address the device, its memory is mapped
 *
 * Until step 4 the frame is the truth: whatever fails before is undone by
 * mapping it again.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/placed.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/move/out.h"
#include "core/move/out_steps.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- 3: copy ---------------------------------------------------------- */

static unsigned build_segments(struct out *o, const struct mm_set *set)
{
	uintptr_t slot = block_slot_va(o->u, o->b);
	unsigned nr = 0;

	set_for_each(set, i)
		nr = segment_add(o->seg, nr, o->dpfn[i],
				 (void *)(slot + i * MM_PAGE_SIZE));
	return nr;
}

/* Pages [first, last) of it. */
static struct mm_set part(const struct mm_set *set, unsigned first,
			  unsigned last)
{
	struct mm_set range;

	set_clear(&range);
	set_add_run(&range, first, last);
	return set_and(set, &range);
}

/*
 * Copy the pages of @set in [first, last).  When that fails, by halves: one
 * bad page, or a device that is nearly full, must not hold back the others.
 */
static void copy_pages(struct out *o, const struct mm_set *set, unsigned first,
		       unsigned last)
{
	unsigned nr = build_segments(o, set);
	unsigned mid = first + (last - first) / 2;
	struct mm_set half;
	int err;

	if (!nr)
		return;
	err = device_copy_in(o->dev, o->seg, nr,
			     o->b->va + set_find(set, 0, true) * MM_PAGE_SIZE);
	if (!err) {
		o->done = set_or(&o->done, set);
		return;
	}
	if (last - first == 1 && err == -ENOSPC)
		set_add(&o->full, first);
	if (last - first == 1 || device_is_lost(o->dev))
		return;
	half = part(set, first, mid);
	copy_pages(o, &half, first, mid);
	half = part(set, mid, last);
	copy_pages(o, &half, mid, last);
}

static void clear_pages(struct out *o)
{
	uint64_t list[MM_BLOCK_PAGES];
	unsigned n = 0;
	int err;

	set_for_each(&o->zero, i)
		list[n++] = o->dpfn[i];
	err = device_clear(o->dev, list, n);
	if (!err)
		o->done = set_or(&o->done, &o->zero);
	if (err == -ENOSPC)
		o->full = set_or(&o->full, &o->zero);
}

/* ---- 4: arrive -------------------------------------------------------- */

static void spare_dpfn(struct out *o, unsigned i)
{
	o->spare[o->nspare++] = o->dpfn[i];
}

static void arrive(struct out *o, unsigned i)
{
	block_arrive(o->u, o->b, i, o->dev->id, o->dpfn[i], E_ARRIVE);
	out_why(o, i, UHMM_WHY_OK);
	o->went++;
	if (!device_is_mapped(o->dev))
		return;
	coherent_mark(o->u, o->b, i, o->dev->id, o->dpfn[i]);
	set_add(&o->placing, i);
}

/* The device did not take it. */
static void note_refusal(struct out *o, unsigned i)
{
	out_why(o, i, set_has(&o->full, i) ? UHMM_WHY_NO_ROOM : UHMM_WHY_IO);
	spare_dpfn(o, i);
}

/*
 * What was parked stays parked, for another device.  All else is mapped again.
 */
static void return_frame(struct out *o, unsigned i)
{
	if (o->how == OUT_DEMOTE || home_thaw(o->u, o->b, i, i + 1) < 1)
		block_event(o->u, o->b, i, E_PARK);
}

static void settle_framed(struct out *o, unsigned i)
{
	if (page_state(block_word(o->b, i)) != P_LEAVING) {
		out_why(o, i, UHMM_WHY_TOUCHED);
		count_add(&o->u->count.touched, 1);
		spare_dpfn(o, i);
	} else if (set_has(&o->done, i)) {
		arrive(o, i);
		if (o->keep)
			kept_add(o->u, o->b, i);
	} else {
		note_refusal(o, i);
		return_frame(o, i);
	}
}

static void settle_zero(struct out *o, unsigned i)
{
	if (page_state(block_word(o->b, i)) != P_CLEARING) {
		out_why(o, i, UHMM_WHY_TOUCHED);
		spare_dpfn(o, i);
	} else if (set_has(&o->done, i)) {
		arrive(o, i);
	} else {
		block_event(o->u, o->b, i, E_STAY);
		note_refusal(o, i);
	}
}

/* What was copied to pages that are gone is not there.  Locked. */
static void forget_lost(struct out *o)
{
	set_for_each(&o->done, i)
		if (device_has_lost(o->dev, o->dpfn[i]))
			set_del(&o->done, i);
}

static void settle_all(struct out *o)
{
	unsigned copied;

	block_lock(o->b);
	forget_lost(o);
	o->keep = kept_wanted(o->u, o->b, o->dev);
	set_for_each(&o->framed, i)
		settle_framed(o, i);
	copied = o->went;
	set_for_each(&o->zero, i)
		settle_zero(o, i);
	block_release_slot(o->u, o->b);
	if (!set_empty(&o->placing))
		call_hold(o->dev);
	block_unlock(o->u, o->b);
	block_settle(o->u, o->b, false);
	count_add(&o->u->count.to_device, copied);
	device_free(o->dev, o->spare, o->nspare);
	o->nspare = 0;
	charge_booked(o->dev, &o->booking);
}

/* ---- 5: on a device that the CPU can address --------------------------- */

/* What could not be mapped would fault, and is better off in RAM. */
static void give_up(struct out *o, const struct mm_set *set, int err)
{
	enum uhmm_why why = err == -ENOMEM ? UHMM_WHY_MAPPINGS : UHMM_WHY_BUSY;

	set_for_each(set, i) {
		out_why(o, i, why);
		o->went--;
	}
	home_block(o->u, o->b, set, NULL, HOME_MIGRATE, NULL);
}

static void place_all(struct out *o)
{
	struct swap s = {
		.u = o->u,
		.b = o->b,
		.dev = o->dev,
		.set = o->placing,
		.dpfn = o->dpfn,
	};
	struct mm_set rest;

	if (set_empty(&o->placing))
		return;
	coherent_place(&s);
	call_drop(o->dev);
	rest = set_minus(&s.set, &s.done);
	if (!set_empty(&rest))
		give_up(o, &rest, s.err);
}

/* ---- The whole -------------------------------------------------------- */

/* The demoter chooses the device of its next move by this. */
static void note_answer(struct out *o)
{
	struct mm_set all = set_or(&o->framed, &o->zero);
	struct mm_set rest = set_minus(&all, &o->done);

	/* what was taken and could not be mapped is refused as well */
	if (!o->went)
		rest = set_or(&rest, &o->placing);
	device_answered(o->dev, o->went, set_count(&rest),
			!set_empty(&o->full));
}

/* Afterwards no device can write to the frames. */
static void tell_mirrors(struct out *o)
{
	mirror_invalidate_set(o->u, o->b, &o->framed, UHMM_NOTIFY_MIGRATE);
}

static void move_out(struct out *o, const struct mm_set *want, enum out_how how,
		     int *ret_err)
{
	*ret_err = out_give_slot(o->u, o->b, want);
	if (*ret_err)
		return;
	*ret_err = out_freeze(o, want, how);
	if (*ret_err) {
		out_reset(o);
		block_lock(o->b);
		block_release_slot(o->u, o->b);
		block_unlock(o->u, o->b);
		if (*ret_err > 0)
			*ret_err = 0;
		return;
	}
	tell_mirrors(o);
	copy_pages(o, &o->framed, 0, MM_BLOCK_PAGES);
	clear_pages(o);
	settle_all(o);
	place_all(o);
	note_answer(o);
}

int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why)
{
	struct out o;
	int err;

	out_init(&o, u, b);
	o.dev = dev;
	o.why = why;
	o.how = how;
	move_out(&o, want, how, &err);
	return err ? err : (int)o.went;
}
