/* SPDX-License-Identifier: MIT */
/*
 * out.c - pages of one block leave for a device.
 *
 * DOC: Steps
 *
 *	1  select   which pages can go, and a device page for each
 *	2  freeze   take them from the CPU, into frames; from here on their data
 *		    stand still
 *	3  copy     by the provider, without locks, unless the device has the
 *		    page already (unchanged.c).  The CPU may touch a page
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
#include "core/move/unchanged.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- 3: copy ---------------------------------------------------------- */

#define MOST_FULL 4

/*
 * Copy the pages of @set in [first, last).  When that fails, by halves: one
 * bad page, or a device that is nearly full, must not hold back the others.
 * When the device had no room for MOST_FULL single pages, no other is tried.
 */
static void copy_pages(struct out *o, const struct mm_set *set, unsigned first,
		       unsigned last)
{
	char *frames = (char *)block_slot_va(o->m.u, o->m.b);
	unsigned nr = move_segments(set, o->m.dpfn, frames, o->seg);
	unsigned mid = first + (last - first) / 2;
	struct mm_set half;
	int err;

	if (!nr)
		return;
	if (set_count(&o->full) >= MOST_FULL) {
		o->full = set_or(&o->full, set);
		return;
	}
	err = device_copy_in(o->m.dev, o->seg, nr, move_first(&o->m, set));
	if (!err) {
		o->done = set_or(&o->done, set);
		return;
	}
	if (last - first == 1 && err == -ENOSPC)
		set_add(&o->full, first);
	if (last - first == 1 || device_is_lost(o->m.dev))
		return;
	half = set_part(set, first, mid);
	copy_pages(o, &half, first, mid);
	half = set_part(set, mid, last);
	copy_pages(o, &half, mid, last);
}

static void clear_pages(struct out *o)
{
	uint64_t list[MM_BLOCK_PAGES];
	unsigned n = 0;
	int err;

	set_for_each(&o->zero, i)
		list[n++] = o->m.dpfn[i];
	err = device_clear(o->m.dev, list, n);
	if (!err)
		o->done = set_or(&o->done, &o->zero);
	if (err == -ENOSPC)
		o->full = set_or(&o->full, &o->zero);
}

/* ---- 4: arrive -------------------------------------------------------- */

static void arrive_on_device(struct out *o, unsigned i)
{
	block_arrive(o->m.u, o->m.b, i, o->m.dev->id, o->m.dpfn[i], E_ARRIVE);
	out_why(o, i, UHMM_WHY_OK);
	o->m.went++;
	if (!device_is_mapped(o->m.dev))
		return;
	coherent_mark(o->m.u, o->m.b, i, o->m.dev->id, o->m.dpfn[i]);
	set_add(&o->placing, i);
}

/* The device did not take page @i. */
static void note_refusal(struct out *o, unsigned i)
{
	out_why(o, i, set_has(&o->full, i) ? UHMM_WHY_NO_ROOM : UHMM_WHY_IO);
	move_spare(&o->m, o->m.dpfn[i]);
}

/*
 * A page that was parked stays parked, for another device.  Any other page is
 * mapped again.
 */
static void return_frame(struct out *o, unsigned i)
{
	if (o->how == OUT_DEMOTE || home_thaw(o->m.u, o->m.b, i, i + 1) < 1)
		block_event(o->m.u, o->m.b, i, E_PARK);
}

static void settle_framed(struct out *o, unsigned i)
{
	if (page_state(block_word(o->m.b, i)) != P_LEAVING) {
		out_why(o, i, UHMM_WHY_TOUCHED);
		count_add(&o->m.u->count.touched, 1);
		move_spare(&o->m, o->m.dpfn[i]);
	} else if (set_has(&o->done, i)) {
		arrive_on_device(o, i);
		if (o->keep)
			kept_add(o->m.u, o->m.b, i);
	} else {
		note_refusal(o, i);
		return_frame(o, i);
	}
}

static void settle_zero(struct out *o, unsigned i)
{
	if (page_state(block_word(o->m.b, i)) != P_CLEARING) {
		out_why(o, i, UHMM_WHY_TOUCHED);
		move_spare(&o->m, o->m.dpfn[i]);
	} else if (set_has(&o->done, i)) {
		arrive_on_device(o, i);
	} else {
		block_event(o->m.u, o->m.b, i, E_STAY);
		note_refusal(o, i);
	}
}

/*
 * Pages that were copied to lost device pages have not arrived.  Caller holds
 * the block's lock.
 */
static void forget_lost(struct out *o)
{
	set_for_each(&o->done, i)
		if (device_has_lost(o->m.dev, o->m.dpfn[i]))
			set_del(&o->done, i);
}

/* Pages that arrived without a copy.  Caller holds the block's lock. */
static unsigned nr_unchanged(const struct out *o)
{
	unsigned n = 0;

	set_for_each(&o->unchanged, i)
		n += page_state(block_word(o->m.b, i)) == P_DEVICE;
	return n;
}

static void settle_out(struct out *o)
{
	unsigned copied, unchanged;

	block_lock(o->m.b);
	forget_lost(o);
	o->keep = kept_wanted(o->m.u, o->m.b, o->m.dev);
	set_for_each(&o->m.set, i)
		settle_framed(o, i);
	unchanged = nr_unchanged(o);
	copied = o->m.went - unchanged;
	set_for_each(&o->zero, i)
		settle_zero(o, i);
	block_release_slot(o->m.u, o->m.b);
	if (!set_empty(&o->placing))
		call_hold(o->m.dev);
	block_unlock(o->m.u, o->m.b);
	block_settle(o->m.u, o->m.b, false);
	count_add(&o->m.u->count.to_device, copied);
	count_add(&o->m.u->count.unchanged, unchanged);
	move_free_spare(&o->m);
	charge_booked(o->m.dev, &o->booking);
}

/* ---- 5: on a device that the CPU can address --------------------------- */

/*
 * Device memory could not be mapped at these pages, so each touch would fault:
 * bring them home.
 */
static void give_up_out(struct out *o, const struct mm_set *set, int err)
{
	enum uhmm_why why = err == -ENOMEM ? UHMM_WHY_MAPPINGS : UHMM_WHY_BUSY;

	set_for_each(set, i) {
		out_why(o, i, why);
		o->m.went--;
	}
	home_block(o->m.u, o->m.b, set, NULL, HOME_MIGRATE, NULL);
}

static void place_all(struct out *o)
{
	struct swap s = { .m = &o->m, .set = o->placing };
	struct mm_set rest;

	if (set_empty(&o->placing))
		return;
	coherent_place(&s);
	call_drop(o->m.dev);
	rest = set_minus(&s.set, &s.done);
	if (!set_empty(&rest))
		give_up_out(o, &rest, s.err);
}

/* ---- The whole -------------------------------------------------------- */

/* Note how many pages the device took: the demoter chooses devices by that. */
static void note_answer(struct out *o)
{
	struct mm_set all = set_or(&o->m.set, &o->zero);
	struct mm_set rest = set_minus(&all, &o->done);

	/* pages that could not be mapped count as refused, too */
	if (!o->m.went)
		rest = set_or(&rest, &o->placing);
	device_answered(o->m.dev, o->m.went, set_count(&rest),
			!set_empty(&o->full));
}

/* Tell the mirrors.  Afterwards no device can write to the frames. */
static void tell_out_mirrors(struct out *o)
{
	mirror_invalidate_set(o->m.u, o->m.b, &o->m.set, UHMM_NOTIFY_MIGRATE);
}

static void move_out(struct out *o, const struct mm_set *want, enum out_how how,
		     int *ret_err)
{
	struct mm_set changed;

	*ret_err = out_give_slot(o->m.u, o->m.b, want);
	if (*ret_err)
		return;
	*ret_err = out_freeze(o, want, how);
	if (*ret_err) {
		out_reset(o);
		block_lock(o->m.b);
		block_release_slot(o->m.u, o->m.b);
		block_unlock(o->m.u, o->m.b);
		if (*ret_err > 0)
			*ret_err = 0;
		return;
	}
	tell_out_mirrors(o);
	unchanged_match(o);
	changed = set_minus(&o->m.set, &o->done);
	copy_pages(o, &changed, 0, MM_BLOCK_PAGES);
	clear_pages(o);
	settle_out(o);
	place_all(o);
	note_answer(o);
}

int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why)
{
	struct out o;
	int err;

	out_init(&o, u, b, dev);
	o.m.why = why;
	o.how = how;
	move_out(&o, want, how, &err);
	return err ? err : (int)o.m.went;
}
