// SPDX-License-Identifier: MIT
/*
 * out_stash.c - pages that the kernel does not move one by one are taken by
 * moving their mapping.
 *
 * Changing a mapping raises an event, which waits for a handler thread, so the
 * block cannot be locked: the pages are P_STASHING for that long, and faults on
 * them wait.  A call costs more than bringing a few pages back, so gaps between
 * the pages that are wanted are closed where plain RAM lies there, or nothing:
 * a page on a device is P_STASHING with PAGE_AWAY then.
 */
#include <errno.h>

#include "core/device/device.h"
#include "core/move/home.h"
#include "core/move/out_steps.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/page.h"
#include "core/page/slot.h"

#define GAP 16 /* bringing back so many pages costs less than another call */

/* May [first, last) go along, and is little of it RAM? */
static bool is_cheap(const struct out *o, unsigned first, unsigned last)
{
	unsigned ram = 0;

	for (; first < last; first++) {
		if (!set_has(&o->f.also, first))
			return false;
		ram += page_state(block_word(o->m.b, first)) == P_RAM;
	}
	return ram <= GAP;
}

/* @set and those of its gaps that are cheap. */
static struct mm_set close_gaps(const struct out *o, const struct mm_set *set)
{
	struct mm_set ret = *set;
	unsigned end = MM_BLOCK_PAGES;

	set_for_each_run(set, first, last) {
		if (first > end && is_cheap(o, end, first))
			set_add_run(&ret, end, first);
		end = last;
	}
	return ret;
}

void out_set_aside(struct out *o)
{
	o->left = o->f.left;
	if (set_empty(&o->left))
		return;
	o->f.want = close_gaps(o, &o->left);
	set_for_each(&o->f.want, i)
		block_stash(o->m.u, o->m.b, i);
	o->m.b->stash = &o->f;
}

/*
 * Pages that were write-protected when they came, by a remap: in the frame they
 * look like what was to be taken.  Locked.
 */
static struct mm_set came_marked(const struct out *o)
{
	struct mm_set ret;

	set_clear(&ret);
	set_for_each(&o->f.framed, i) {
		uint64_t w = block_word(o->m.b, i);

		if (page_state(w) == P_STASHING && page_came_marked(w) &&
		    !(w & PAGE_DROP))
			set_add(&ret, i);
	}
	return ret;
}

/*
 * Find out where pages that came write-protected are: at their address, or in
 * the frame if the mapping moved after they came.  -EAGAIN: mappings are
 * changing.
 */
static int find_marked(struct out *o)
{
	struct mm_set marked = came_marked(o), there;
	int err;

	if (set_empty(&marked))
		return 0;
	err = o->m.u->mm->ops->resident_now(o->m.u->mm, o->m.b->va, 0,
					    MM_BLOCK_PAGES, &there);
	if (err)
		return err;
	marked = set_minus(&marked, &there);
	o->f.late = set_or(&o->f.late, &marked);
	return 0;
}

/*
 * Wait until the words are final: pages that came or went by mremap(2) before
 * the mapping moved are known when no event is under way.  Returns with the
 * block's lock held.
 */
static void when_known_lock(struct out *o) TAKES(o->m.b->lock)
{
	bool (*is_still)(struct mm *) = o->m.u->mm->ops->is_still;
	struct sys_wait w = { .all = &o->m.u->waits,
			      .what = "a mapping that moved to be known",
			      .at = o->m.b->va };

	while (is_still && !is_still(o->m.u->mm))
		sys_wait_note(&w);
	block_lock(o->m.b);
	while (find_marked(o) == -EAGAIN) {
		block_unlock(o->m.u, o->m.b);
		sys_wait_note(&w);
		if (is_still)
			is_still(o->m.u->mm);
		block_lock(o->m.b);
	}
	sys_wait_end(&w);
}

void out_take_aside_lock(struct out *o)
{
	struct slot *s = slot_of(o->m.u, o->m.b->slot);

	o->m.u->mm->ops->stash(o->m.u->mm, &o->f);
	when_known_lock(o);
	s->stock = set_or(&s->stock, &o->f.framed);
	s->huge = false;
	s->stashed = s->stashed || !set_empty(&o->f.framed);
}

/*
 * Must the page in its frame go back: because it is pinned, or was not wanted?
 */
static bool goes_back(struct out *o, unsigned i)
{
	if (!set_has(&o->left, i))
		return true;
	if (o->f.why[i])
		out_why(o, i, o->f.why[i]);
	return o->f.why[i];
}

/*
 * The page is still on its device, unless that is lost.  If a page has come
 * into the frame, the page was in RAM after all, and that page counts.
 */
static void still_away(struct out *o, unsigned i, struct mm_set *back)
{
	uint64_t w = block_word(o->m.b, i);
	struct uhmm_device *dev = device_get(o->m.u, page_dev(w));

	if (set_has(&o->f.framed, i)) {
		sys_logf(&o->m.u->log, SYS_INFO, "page %#lx was there already",
			 (unsigned long)block_addr(o->m.b, i));
		o->gone[o->ngone++] = w;
		set_add(back, i);
		return;
	}
	if (!device_has_lost(dev, page_dpfn(w))) {
		block_arrive(o->m.u, o->m.b, i, dev->id, page_dpfn(w),
			     E_ARRIVE);
		return;
	}
	block_poison(o->m.u, o->m.b, i);
	o->gone[o->ngone++] = w;
}

/*
 * The page was not taken: it is as before, or was lost before it was managed.
 */
static void note_not_stashed(struct out *o, unsigned i)
{
	if (o->f.why[i] == UHMM_WHY_POISONED)
		block_poison(o->m.u, o->m.b, i);
	else if (block_word(o->m.b, i) & PAGE_CHARGED)
		block_home(o->m.u, o->m.b, i, E_HOME);
	else
		block_event(o->m.u, o->m.b, i, E_HOME);
	if (set_has(&o->left, i))
		out_why(o, i, o->f.why[i] ? o->f.why[i] : UHMM_WHY_BUSY);
}

static void found_hole(struct out *o, unsigned i)
{
	if (block_event(o->m.u, o->m.b, i, E_HOLE) != P_EMPTY ||
	    !set_has(&o->left, i) || !out_takes_holes(o))
		return;
	block_event(o->m.u, o->m.b, i, E_CLEAR);
	set_add(&o->zero, i);
}

/*
 * The address was unmapped while its mapping moved, and perhaps a remapped page
 * of RAM is there since: at the address, or in the frame if the mover came
 * later than that.  Return: whether it has to go back.
 */
static bool was_replaced(struct out *o, unsigned i)
{
	uint64_t w = block_word(o->m.b, i);

	if (set_has(&o->left, i))
		out_why(o, i, UHMM_WHY_TOUCHED);
	if (!(w & PAGE_NEW)) {
		block_event(o->m.u, o->m.b, i, E_FORGET);
		return false;
	}
	if (set_has(&o->f.late, i) && set_has(&o->f.framed, i)) {
		if (w & PAGE_DROP)
			block_event(o->m.u, o->m.b, i, E_HOLE);
		return !(w & PAGE_DROP);
	}
	block_unstash(o->m.u, o->m.b, i);
	return false;
}

/* The application was faster: it unmapped, moved or discarded the page. */
static bool was_dropped(struct out *o, unsigned i)
{
	uint64_t w = block_word(o->m.b, i);

	if (page_state(w) == P_STASHING && !(w & PAGE_DROP))
		return false;
	if (page_state(w) == P_STASHING && set_has(&o->f.framed, i))
		block_event(o->m.u, o->m.b, i, E_HOLE);
	else if (page_state(w) == P_STASHING) /* its own address has it yet */
		block_unstash(o->m.u, o->m.b, i);
	if (set_has(&o->left, i))
		out_why(o, i, UHMM_WHY_TOUCHED);
	return true;
}

bool out_was_overtaken(struct out *o, unsigned i, struct mm_set *back)
{
	uint64_t w = block_word(o->m.b, i);

	if (page_state(w) != P_STASHING || !(w & PAGE_GONE))
		return was_dropped(o, i);
	if (was_replaced(o, i))
		set_add(back, i);
	return true;
}

/* Pages that were refused may have kept the mark with which a mover begins. */
static void mark_refused(struct out *o)
{
	struct mm_set taken = set_or(&o->f.framed, &o->f.holes), there;
	struct mm_set refused = set_minus(&o->f.want, &taken);
	struct mm *mm = o->m.u->mm;

	if (set_empty(&refused) ||
	    mm->ops->resident(mm, o->m.b->va, 0, MM_BLOCK_PAGES, &there))
		return;
	refused = set_and(&refused, &there);
	set_for_each(&refused, i)
		if (page_state(block_word(o->m.b, i)) == P_RAM)
			block_mark(o->m.b, i);
}

void out_sort_aside(struct out *o)
{
	struct mm_set back;

	set_clear(&back);
	set_for_each(&o->f.want, i) {
		if (out_was_overtaken(o, i, &back))
			continue;
		if (block_word(o->m.b, i) & PAGE_AWAY) {
			still_away(o, i, &back);
		} else if (set_has(&o->f.holes, i)) {
			found_hole(o, i);
		} else if (!set_has(&o->f.framed, i)) {
			note_not_stashed(o, i);
		} else if (goes_back(o, i)) {
			set_add(&back, i);
		} else {
			block_event(o->m.u, o->m.b, i, E_TAKE);
			set_add(&o->m.set, i);
		}
	}
	mark_refused(o);
	out_give_back(o, &back);
	o->m.b->stash = NULL;
}

/*
 * Map the pages again.  A page that cannot be mapped now stays in its frame,
 * where a fault finds it.
 */
static void give_back_run(struct out *o, unsigned first, unsigned last)
{
	int n;

	for (unsigned i = first; i < last; i++)
		block_event(o->m.u, o->m.b, i, E_TAKE);
	while (first < last) {
		n = home_thaw(o->m.u, o->m.b, first, last);
		if (n < 1)
			break;
		first += (unsigned)n;
	}
	for (; first < last; first++)
		block_event(o->m.u, o->m.b, first, E_PARK);
}

void out_give_back(struct out *o, const struct mm_set *set)
{
	set_for_each_run(set, first, last)
		give_back_run(o, first, last);
}
