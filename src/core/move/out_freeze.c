/* SPDX-License-Identifier: MIT */
/*
 * out_freeze.c - which pages of a block can leave, and how they are taken from
 * the CPU: steps 1 and 2 of out.c.  Selecting and freezing pages is done under
 * the block's lock.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/move/out.h"
#include "core/move/out_steps.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/page/slot.h"

#define FREEZE_TRIES 1000

void out_init(struct out *o, struct uhmm *u, struct block *b,
	      struct uhmm_device *dev)
{
	memset(o, 0, offsetof(struct out, m));
	move_init(&o->m, u, b, dev);
}

void out_why(struct out *o, unsigned i, enum uhmm_why why)
{
	move_why(&o->m, i, why);
	if (why != UHMM_WHY_OK)
		count_add(&o->m.u->count.refused, 1);
}

/* ---- 1: select -------------------------------------------------------- */

static void select_out_ram(struct out *o, unsigned i)
{
	if (page_pins(block_word(o->m.b, i)))
		out_why(o, i, UHMM_WHY_PINNED);
	else
		set_add(&o->f.want, i);
}

/*
 * The reason for a page on device number @dev, from which it could not be
 * copied; see peer_copy.c.
 */
static enum uhmm_why why_on_device(const struct out *o, unsigned dev)
{
	if (dev == o->m.dev->id)
		return UHMM_WHY_OK;
	return pagemap_room(&o->m.dev->pagemap) ? UHMM_WHY_BUSY :
						  UHMM_WHY_NO_ROOM;
}

/* charge=keep: would the page be one more? */
static bool is_new(uint64_t w)
{
	return page_state(w) == P_EMPTY ||
	       (page_state(w) == P_RAM && !(w & PAGE_CHARGED));
}

/*
 * Holes become pages of zeroes on the device only on request.  Under the limit
 * they stay: they free no RAM.
 */
bool out_takes_holes(const struct out *o)
{
	return o->how == OUT_MIGRATE;
}

static void select_out_page(struct out *o, unsigned i, enum out_how how)
{
	uint64_t w = block_word(o->m.b, i);

	if (is_new(w) && !page_pins(w) && !o->room--) {
		o->room = 0;
		out_why(o, i, UHMM_WHY_NO_ROOM);
		return;
	}
	if (how == OUT_DEMOTE && page_state(w) != P_FROZEN)
		return;
	switch (page_state(w)) {
	case P_RAM:
		select_out_ram(o, i);
		break;
	case P_FROZEN:
		set_add(&o->frozen, i);
		break;
	case P_EMPTY:
		if (out_takes_holes(o))
			set_add(&o->empty, i);
		break;
	case P_DEVICE:
	case P_COHERENT:
		out_why(o, i, why_on_device(o, page_dev(w)));
		break;
	case P_POISONED:
		out_why(o, i, UHMM_WHY_POISONED);
		break;
	default:
		out_why(o, i, page_pins(w) ? UHMM_WHY_PINNED : UHMM_WHY_BUSY);
	}
}

/* Keep the first @room of the selected pages. */
static void cut_to_room(struct out *o, unsigned room)
{
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++) {
		if (!set_has(&o->f.want, i) && !set_has(&o->frozen, i) &&
		    !set_has(&o->empty, i))
			continue;
		if (room) {
			room--;
			continue;
		}
		set_del(&o->f.want, i);
		set_del(&o->frozen, i);
		set_del(&o->empty, i);
		out_why(o, i, UHMM_WHY_NO_ROOM);
	}
}

static unsigned nr_selected(const struct out *o)
{
	return set_count(&o->f.want) + set_count(&o->frozen) +
	       set_count(&o->empty);
}

static bool select_out_pages(struct out *o, const struct mm_set *want,
			     enum out_how how)
{
	unsigned n;

	dropped_settle(o->m.u, o->m.b, want);
	o->room = charge_room(o->m.u, o->m.b);
	set_for_each(want, i)
		select_out_page(o, i, how);
	n = nr_selected(o);
	if (!n)
		return false;
	o->m.nspare = charge_alloc(o->m.u, o->m.b, o->m.dev, n, o->m.spare,
				   &o->booking);
	if (o->m.nspare < n)
		cut_to_room(o, o->m.nspare);
	return o->m.nspare > 0;
}

/* ---- 2: freeze -------------------------------------------------------- */

static void note_frozen(struct out *o)
{
	struct slot *s = slot_of(o->m.u, o->m.b->slot);

	s->stock = set_or(&s->stock, &o->f.framed);
	if (o->f.huge) {
		s->huge = true;
		o->m.b->huge = true;
	}
	if (!set_empty(&o->f.framed) && !o->f.huge)
		o->m.b->huge = false;
}

/* Pages that were wanted but neither frozen nor empty. */
static void note_refused(struct out *o)
{
	struct mm_set taken = set_or(&o->f.framed, &o->f.left);
	struct mm_set rest;

	taken = set_or(&taken, &o->f.holes);
	rest = set_minus(&o->f.want, &taken);
	set_for_each(&rest, i)
		out_why(o, i, o->f.why[i] ? o->f.why[i] : UHMM_WHY_BUSY);
}

static void assign_dpfns(struct out *o)
{
	struct mm_set all = set_or(&o->m.set, &o->zero);
	unsigned next = 0;

	set_for_each(&all, i)
		o->m.dpfn[i] = o->m.spare[next++];
	for (unsigned i = next; i < o->m.nspare; i++)
		o->m.spare[i - next] = o->m.spare[i];
	o->m.nspare -= next;
}

static void enter_states(struct out *o)
{
	struct mm_set extra = set_minus(&o->f.framed, &o->f.want);
	struct block *b = o->m.b;

	set_for_each(&o->f.holes, i)
		block_event(o->m.u, b, i, E_HOLE);
	out_give_back(o, &extra);
	o->m.set = set_minus(&o->f.framed, &extra);
	o->m.set = set_or(&o->m.set, &o->frozen);
	o->zero = o->empty;
	set_for_each(&o->f.holes, i)
		if (out_takes_holes(o) &&
		    page_state(block_word(b, i)) == P_EMPTY)
			set_add(&o->zero, i);
	set_for_each(&o->m.set, i)
		block_event(o->m.u, b, i, E_TAKE);
	set_for_each(&o->zero, i)
		block_event(o->m.u, b, i, E_CLEAR);
}

/*
 * Drop frames with old data at the offsets of @want.  A page that was copied
 * home leaves its frame's memory behind, and the block may still have the slot
 * for other frozen pages.  No page can be moved onto such a frame.  Also, while
 * a mapping moves, remap.c takes the contents of a frame for the page.
 */
static void empty_frames(struct out *o)
{
	struct slot *s = slot_of(o->m.u, o->m.b->slot);
	struct mm_set left = set_and(&s->stock, &o->f.want);

	o->f.also = set_minus(&o->f.also, &s->stock);
	if (set_empty(&left))
		return;
	set_for_each_run(&left, first, last)
		o->m.u->mm->ops->drop(o->m.u->mm,
				      o->f.slot + first * MM_PAGE_SIZE,
				      last - first);
	s->stock = set_minus(&s->stock, &left);
	s->huge = false;
	kept_dropped(o->m.u, o->m.b, set_count(&left));
}

static int try_freeze(struct out *o)
{
	o->f.va = o->m.b->va;
	o->f.slot = block_slot_va(o->m.u, o->m.b);
	o->f.shared = o->how == OUT_EVICT;
	if (set_empty(&o->f.want))
		return 0;
	empty_frames(o);
	return o->m.u->mm->ops->freeze(o->m.u->mm, &o->f);
}

void out_reset(struct out *o)
{
	move_free_spare(&o->m);
	charge_booked(o->m.dev, &o->booking);
	memset(&o->f, 0, sizeof(o->f));
	set_clear(&o->frozen);
	set_clear(&o->empty);
}

/* b->slot is set before any page is frozen; the caller holds the mover lock. */
int out_give_slot(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	uint32_t slot;
	bool has;

	block_lock(b);
	has = b->slot != NO_SLOT;
	block_unlock(u, b);
	if (has)
		return 0;
	slot = slot_get_empty(u, want);
	if (slot == NO_SLOT)
		return -ENOMEM;
	block_lock(b);
	has = b->slot != NO_SLOT; /* a frozen page was moved here meanwhile */
	if (!has)
		b->slot = slot;
	block_unlock(u, b);
	if (has)
		slot_put(u, slot);
	return 0;
}

/*
 * The pages of @want that are still managed.  Since the caller looked, the
 * application may have unmapped pages, and mapped something new there.  From
 * here on that cannot happen unseen: a pending event makes freeze() fail, and
 * unregistering needs the mover lock.  Caller holds the block's lock.
 */
static struct mm_set still_managed(struct out *o, const struct mm_set *want)
{
	struct mm_set gone;

	block_managed(o->m.u, o->m.b, &o->managed);
	gone = set_minus(want, &o->managed);
	set_for_each(&gone, i)
		out_why(o, i, UHMM_WHY_UNMAPPED);
	return set_and(want, &o->managed);
}

static bool may_go_along(const struct out *o, unsigned i)
{
	uint64_t w = block_word(o->m.b, i);

	if (!set_has(&o->managed, i))
		return false;
	switch (page_state(w)) {
	case P_RAM:
		return !page_pins(w);
	case P_EMPTY:
		return !set_has(&o->empty, i);
	case P_DEVICE:
		return true;
	default:
		return false;
	}
}

/*
 * Find pages between the wanted ones that may go with them for a moment: plain
 * RAM that is not pinned, holes, and pages on a device.  Caller holds the
 * block's lock.
 */
static void find_bystanders(struct out *o)
{
	unsigned end = MM_BLOCK_PAGES;

	set_for_each_run(&o->f.want, first, last) {
		for (unsigned i = end; i < first; i++)
			if (may_go_along(o, i))
				set_add(&o->f.also, i);
		end = last;
	}
}

/* One try.  Return: 0 to go on, 1 when there is nothing to do, -errno. */
static int freeze_once(struct out *o, const struct mm_set *want,
		       enum out_how how)
{
	struct mm_set mine;
	int err;

	block_lock(o->m.b);
	err = block_ensure_table(o->m.u, o->m.b);
	mine = still_managed(o, want);
	if (!err && !select_out_pages(o, &mine, how))
		err = 1;
	if (!err) {
		find_bystanders(o);
		err = try_freeze(o);
	}
	if (!err) {
		note_frozen(o);
		note_refused(o);
		enter_states(o);
		out_set_aside(o);
	}
	block_unlock(o->m.u, o->m.b);
	return err;
}

void out_free_gone(struct out *o)
{
	device_free_words(o->m.u, o->gone, o->ngone);
	o->ngone = 0;
}

/* Take the pages that freeze() left, by moving their mapping. */
static void take_left(struct out *o)
{
	if (set_empty(&o->left))
		return;
	out_take_aside_lock(o);
	out_sort_aside(o);
	block_unlock(o->m.u, o->m.b);
	block_settle(o->m.u, o->m.b, false);
	out_free_gone(o);
}

/*
 * Select and freeze under the block's lock.  Return: 0 to go on, 1 when there
 * is nothing to do, -errno.
 */
int out_freeze(struct out *o, const struct mm_set *want, enum out_how how)
{
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < FREEZE_TRIES; tries++) {
		if (tries)
			sys_yield();
		out_reset(o);
		err = freeze_once(o, want, how);
	}
	if (!err) {
		take_left(o);
		assign_dpfns(o);
	}
	if (err == -EAGAIN) { /* the address space keeps changing */
		set_for_each(want, i)
			out_why(o, i, UHMM_WHY_BUSY);
		err = 1;
	}
	return err;
}

/* ---- Frames only ------------------------------------------------------ */

/*
 * Takes only managed pages, see still_managed(): the kernel would move other
 * pages too, but report no touch of the hole that is left, which reads as
 * zeroes.
 */
int out_take_frames(struct out *o)
{
	int err;

	block_managed(o->m.u, o->m.b, &o->managed);
	o->f.want = set_and(&o->f.want, &o->managed);
	err = try_freeze(o);

	if (!err && !set_empty(&o->f.want))
		note_frozen(o);
	return err;
}

/* ---- Parking ---------------------------------------------------------- */

static struct mm_set parkable(struct block *b, const struct mm_set *want)
{
	struct mm_set ret = *want;

	set_for_each(want, i)
		if (!page_is_demotable(block_word(b, i)))
			set_del(&ret, i);
	return ret;
}

static void park_frozen(struct out *o)
{
	set_for_each(&o->f.framed, i)
		block_event(o->m.u, o->m.b, i, E_PARK);
	set_for_each(&o->f.holes, i)
		block_event(o->m.u, o->m.b, i, E_HOLE);
}

int out_park(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	struct out o;
	int err;

	out_init(&o, u, b, NULL);
	if (!block_try_mover(b))
		return -EBUSY;
	err = out_give_slot(u, b, want);
	if (err)
		goto out;
	block_lock(b);
	o.f.want = parkable(b, want);
	err = out_take_frames(&o);
	if (!err)
		park_frozen(&o);
	block_release_slot(u, b);
	block_unlock(u, b);
	mirror_invalidate_set(u, b, &o.f.framed, UHMM_NOTIFY_MIGRATE);
out:
	block_let_go(u, b);
	return err ? err : (int)set_count(&o.f.framed);
}
