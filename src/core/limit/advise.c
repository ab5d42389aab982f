/* SPDX-License-Identifier: MIT */
/*
 * advise.c - what the program says of its use of memory.
 *
 * The order of touches is a hint in each block, which a fault looks at
 * (fault.c).  Cold pages are parked by the calling thread, and the demoter
 * demotes them before all others (demote.c).  PAGEOUT sends pages away in the
 * calling thread.  WILLNEED brings pages home in the worker, a batch a request,
 * so that calls that wait for the worker get their turn.
 *
 * No advice can fail: pages that cannot follow it stay as they are.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/limit/advise.h"
#include "core/limit/demote.h"
#include "core/limit/send.h"
#include "core/move/clean.h"
#include "core/move/fits.h"
#include "core/move/home.h"
#include "core/move/out.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define BATCH	   64	/* pages that come home at once: a fault waits */
#define BATCHES	   4	/* in one request */
#define MOST_SHARE 4	/* of the limit, brought home by one call */
#define MOST_BORN  4096 /* blocks made by one call */

/*
 * @born: blocks that were made to remember the advice
 * @poor: devices where the pages sent by this call freed no RAM
 */
struct advising {
	struct uhmm *u;
	enum uhmm_advice advice;
	unsigned born;
	bool poor[MAX_DEVICES];
};

static struct mm_set pages_between(uintptr_t start, uintptr_t end)
{
	struct mm_set ret;

	set_clear(&ret);
	set_add_run(&ret, page_index(start), page_index(end - 1) + 1);
	return ret;
}

static struct block *block_to_advise(struct advising *a, uintptr_t at)
{
	struct block *b = block_find(a->u, at);

	if (b || a->born == MOST_BORN)
		return b;
	a->born++;
	return block_get(a->u, at);
}

/* ---- The order of touches ---------------------------------------------- */

static void note_order(struct advising *a, uintptr_t start, uintptr_t end)
{
	unsigned first = page_index(start), last = page_index(end - 1) + 1;
	struct block *b;

	b = a->advice == UHMM_ADVICE_NORMAL ? block_find(a->u, start) :
					      block_to_advise(a, start);
	if (!b)
		return;
	block_lock(b);
	if (a->advice == UHMM_ADVICE_NORMAL)
		hint_clear(&b->order, first, last);
	else
		hint_set(&b->order, first, last, a->advice);
	block_unlock(a->u, b);
}

/* ---- Cold pages -------------------------------------------------------- */

/*
 * Parked pages are in no queue of the demoter's, so none may be left out: the
 * hint grows until it has them all.
 */
static void mark_cold(struct uhmm *u, struct block *b, unsigned first,
		      unsigned last)
{
	struct hint *h = &b->cold;

	block_lock(b);
	if (h->what && u->mm->can_move) {
		first = first < h->first ? first : h->first;
		last = last > h->last ? last : h->last;
	}
	if (!h->what)
		atomic_fetch_add(&u->policy.nr_cold, 1);
	hint_set(h, first, last, UHMM_ADVICE_COLD);
	atomic_store(&b->is_cold, true);
	block_unlock(u, b);
}

struct mm_set advise_take_cold(struct uhmm *u, struct block *b)
{
	struct mm_set ret;

	set_clear(&ret);
	block_lock(b);
	if (b->cold.what)
		atomic_fetch_sub(&u->policy.nr_cold, 1);
	for (unsigned i = b->cold.first; i < b->cold.last; i++) {
		uint64_t w = block_word(b, i);

		if (u->mm->can_move ? page_state(w) == P_FROZEN :
				      page_is_demotable(w))
			set_add(&ret, i);
	}
	b->cold = (struct hint){ .what = 0 };
	atomic_store(&b->is_cold, false);
	block_unlock(u, b);
	return ret;
}

/* Without a limit nothing is ever demoted. */
static void make_cold(struct advising *a, uintptr_t start, uintptr_t end)
{
	struct mm_set want = pages_between(start, end);
	struct block *b = block_find(a->u, start);
	struct uhmm *u = a->u;
	int parked = 1;

	if (!b || u->charge.keep || !charge_is_limited(u, b, 0))
		return;
	gate_enter(u);
	if (u->mm->can_move)
		parked = out_park(u, b, &want);
	if (parked > 0)
		mark_cold(u, b, page_index(start), page_index(end - 1) + 1);
	gate_leave(u);
}

/* ---- Away now ---------------------------------------------------------- */

/* Pages of @want in RAM that may go; where no page is counted, perhaps holes */
static struct mm_set still_in_ram(struct uhmm *u, struct block *b,
				  const struct mm_set *want)
{
	struct mm_set ret = *want;

	block_lock(b);
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		if ((page_state(w) != P_RAM || page_pins(w)) &&
		    page_state(w) != P_FROZEN)
			set_del(&ret, i);
	}
	block_unlock(u, b);
	return ret;
}

/* Caller holds the block's mover lock. */
static void send_out(struct advising *a, struct block *b,
		     const struct mm_set *want, struct uhmm_device *dev)
{
	int64_t grew;
	int n = demote_send(a->u, b, want, dev, OUT_EVICT, &grew);

	a->poor[dev->id] = n > 0 && gain_is_poor(a->u, (unsigned)n, grew);
}

static bool may_page_out(const struct advising *a, const struct block *b,
			 const struct uhmm_device *dev)
{
	return device_takes(dev) && !a->poor[dev->id] &&
	       charge_has_room(a->u, b, dev) && charge_affords_store(dev) &&
	       move_fits(a->u, b, dev);
}

static void page_out_block(struct advising *a, struct block *b,
			   const struct mm_set *want)
{
	block_take_mover(a->u, b);
	clean_drop(a->u, b, want);
	device_for_each(a->u, dev) {
		struct mm_set left = still_in_ram(a->u, b, want);

		if (set_empty(&left))
			break;
		if (may_page_out(a, b, dev))
			send_out(a, b, &left, dev);
	}
	block_let_go(a->u, b);
}

/* Where there is no block, no page is counted; there may be pages. */
static void page_out(struct advising *a, uintptr_t start, uintptr_t end)
{
	struct mm_set want = pages_between(start, end), there;
	struct block *b = block_find(a->u, start);
	uintptr_t va = start & ~(MM_BLOCK_SIZE - 1);

	if (!b &&
	    (atomic_load(&a->u->charge.on) ||
	     a->u->mm->ops->resident(a->u->mm, va, 0, MM_BLOCK_PAGES, &there)))
		return;
	if (!b) {
		want = set_and(&want, &there);
		b = set_empty(&want) ? NULL : block_get(a->u, start);
	}
	if (!b)
		return;
	gate_enter(a->u);
	page_out_block(a, b, &want);
	gate_leave(a->u);
}

/* ---- Parts of a range -------------------------------------------------- */

static void advise_part(struct advising *a, uintptr_t start, uintptr_t end)
{
	switch (a->advice) {
	case UHMM_ADVICE_COLD:
		make_cold(a, start, end);
		break;
	case UHMM_ADVICE_PAGEOUT:
		page_out(a, start, end);
		break;
	default:
		note_order(a, start, end);
	}
}

int do_advise(struct uhmm *u, uintptr_t addr, size_t len,
	      enum uhmm_advice advice)
{
	struct advising a = { .u = u, .advice = advice };

	region_for_each(u, addr, addr + len, start, end) {
		for (uintptr_t at = start, last; at < end; at = last) {
			last = block_part_end(at, end);
			advise_part(&a, at, last);
			if (last < addr + len)
				sys_call_open();
		}
	}
	return 0;
}

/* ---- Home soon --------------------------------------------------------- */

/* The first pages of @want that are away or parked, at most BATCH. */
static unsigned away_pages(struct uhmm *u, struct block *b,
			   const struct mm_set *want, struct mm_set *ret)
{
	unsigned n = 0;

	set_clear(ret);
	block_lock(b);
	set_for_each(want, i) {
		enum page_state s = page_state(block_word(b, i));

		if (n == BATCH)
			break;
		if (s != P_DEVICE && s != P_FROZEN)
			continue;
		set_add(ret, i);
		n++;
	}
	block_unlock(u, b);
	return n;
}

/* Is there room, after waiting for it? */
static bool has_room_at_home(struct uhmm *u, struct block *b)
{
	room_make_way(u, b);
	for (struct uhmm_group *g = charge_of(u, b); g; g = g->parent)
		if (charge_above(g, 0))
			return false;
	return true;
}

/* Return: pages that came home, 0 where no more need come; -1: no room. */
static int bring_batch(struct uhmm *u, struct block *b,
		       const struct mm_set *want)
{
	struct mm_set some;
	unsigned n;
	int err;

	if (!away_pages(u, b, want, &some))
		return 0;
	if (!has_room_at_home(u, b))
		return -1;
	gate_enter(u);
	block_take_mover(u, b);
	n = away_pages(u, b, want, &some);
	err = home_block(u, b, &some, NULL, HOME_MIGRATE, NULL);
	block_let_go(u, b);
	gate_leave(u);
	return err ? 0 : (int)n;
}

static uint64_t most_at_home(const struct uhmm *u, uint64_t most)
{
	uint64_t limit = charge_limit(&u->charge.root);

	if (!limit || limit / MOST_SHARE >= most)
		return most;
	return limit / MOST_SHARE;
}

/*
 * One request's batches from *@at on, which becomes where to go on, or @end.
 * Return: pages that may still come home.
 */
static uint64_t bring_some(struct uhmm *u, uintptr_t *at, uintptr_t end,
			   uint64_t most)
{
	for (unsigned batch = 0; batch < BATCHES && block_next(u, at, end);) {
		uintptr_t last = block_part_end(*at, end);
		struct mm_set want;
		int n;

		region_set(u, *at, last, &want);
		n = bring_batch(u, block_find(u, *at), &want);
		if (n < 0 || (uint64_t)n >= most)
			return 0;
		most -= (uint64_t)n;
		batch += n > 0;
		if (n < BATCH)
			*at = last;
	}
	return most;
}

int do_willneed(struct uhmm *u, uintptr_t addr, size_t len, uint64_t most)
{
	uintptr_t at = addr, end = addr + len;
	struct request rest = { .op = REQ_WILLNEED };

	rest.cookie = bring_some(u, &at, end, most_at_home(u, most));
	if (!rest.cookie || !block_next(u, &at, end))
		return 0;
	rest.addr = at;
	rest.len = end - at;
	request_quietly(u, &rest);
	return 0;
}
