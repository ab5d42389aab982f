/* SPDX-License-Identifier: MIT */
/*
 * forget.c - ranges are given up: block after block pages come home, and the
 * region, the words and the kernel's registration go.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/move/home.h"
#include "core/move/range.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define FORGET_TRIES 1000

static int del_unborn(void *u, uintptr_t start, uintptr_t end)
{
	return region_del_unborn(u, start, end);
}

/*
 * Forget the words of @want, which is one run.  Pages that are at a site stay
 * there, and are not counted any more.
 */
static void forget_words(struct uhmm *u, struct block *b,
			 const struct mm_set *want)
{
	unsigned first = set_find(want, 0, true), n = 0;
	uint64_t stay[MM_BLOCK_PAGES];

	block_lock(b);
	set_for_each(want, i) {
		if (site_has(u, block_word(b, i)))
			stay[n++] = block_word(b, i);
		if (block_word(b, i))
			block_event(u, b, i, E_FORGET);
	}
	hint_clear(&b->order, first, set_find(want, first, false));
	block_release_slot(u, b);
	block_unlock(u, b);
	device_free_words(u, stay, n);
}

/* Faults that were served meanwhile have put pages there; those stay. */
static void forget_plain(struct uhmm *u, struct block *b,
			 const struct mm_set *want)
{
	struct mm_set managed; /* read under the lock */

	block_lock(b);
	block_managed(u, b, &managed);
	set_for_each(want, i)
		if (!set_has(&managed, i) && block_word(b, i) &&
		    page_has(block_word(b, i), PAGE_PLAIN))
			block_event(u, b, i, E_FORGET);
	block_unlock(u, b);
}

static struct mm_set pages_of(uintptr_t start, uintptr_t end)
{
	struct mm_set ret;

	set_clear(&ret);
	set_add_run(&ret, page_index(start), page_index(end - 1) + 1);
	return ret;
}

static bool is_at_home(struct uhmm *u, uint64_t w)
{
	return page_is_settled(w) || site_has(u, w);
}

/*
 * Have pages come by mremap(2) since all of @want came home?  The mover calls
 * this between two events.
 */
static bool any_came(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	bool came = false;

	block_lock(b);
	set_for_each(want, i)
		came = came || !is_at_home(u, block_word(b, i));
	block_unlock(u, b);
	return came;
}

/* Return: 0; -EAGAIN: pages have to be brought home; -ENOMEM. */
static int del_block(void *priv, uintptr_t start, uintptr_t end)
{
	struct mm_set want = pages_of(start, end);
	struct uhmm *u = priv;
	struct block *b = block_find(u, start);
	int err;

	if (any_came(u, b, &want))
		return -EAGAIN;
	err = region_del(u, start, end);
	if (!err)
		forget_words(u, b, &want);
	return err;
}

/* Return: 0; -ENOMEM, -EAGAIN: a part is still managed. */
static int untrack_part(struct uhmm *u, struct block *b, uintptr_t start,
			uintptr_t end)
{
	region_for_each(u, start, end, s, e) {
		struct mm_set want = pages_of(s, e);
		int err = u->mm->ops->untrack(u->mm, s, e, del_block, u);

		if (err)
			return err;
		forget_plain(u, b, &want);
	}
	return 0;
}

bool range_is_pinned(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct block *b = block_find(u, start);
	bool pinned = false;

	block_lock(b);
	for (unsigned i = page_index(start); i <= page_index(end - 1); i++)
		pinned = pinned || page_pins(block_word(b, i));
	block_unlock(u, b);
	return pinned;
}

/*
 * Bring pages home and give them up, in one step for other movers: this thread
 * is the mover until both are done, and the next mover finds no region.  If
 * uhmm_pin() was a mover before: -EBUSY.
 */
static int forget_block(struct uhmm *u, struct block *b, uintptr_t start,
			uintptr_t end)
{
	struct mm_set want = pages_of(start, end);
	struct sys_wait w = { .all = &u->waits,
			      .what = "mappings to come to rest at",
			      .at = start };
	int err, home, tries = 0;

	block_take_mover(u, b);
	if (range_is_pinned(u, start, end)) { /* after the caller looked */
		block_let_go(u, b);
		return -EBUSY;
	}
	do {
		home = home_block(u, b, &want, NULL, HOME_RESCUE, NULL);
		err = untrack_part(u, b, start, end);
		if (err == -EAGAIN)
			sys_wait_note(&w);
	} while (err == -EAGAIN && tries++ < FORGET_TRIES);
	sys_wait_end(&w);
	block_let_go(u, b);
	if (err)
		return err == -EAGAIN ? -EBUSY : err;
	return home == -EBUSY ? 0 : home; /* pages may stay at a site */
}

/* Give up a part of a block that does not exist: no page there ever moved. */
static int forget_unborn(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	return u->mm->ops->untrack(u->mm, start, end, del_unborn, u);
}

/*
 * Give up a managed part of one block.  A fork(2) waits for one part at most.
 */
static int forget_part(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err;

	gate_enter(u);
	err = forget_unborn(u, start, end);
	if (err == -EEXIST)
		err = forget_block(u, block_find(u, start), start, end);
	gate_leave(u);
	if (err != -ENOMEM && err != -EBUSY) {
		charge_forget(u, start, end);
		mirror_invalidate(u, start, end, UHMM_NOTIFY_UNMAP);
	}
	return err;
}

/*
 * Give up a managed run, from its end on.  So each step shortens the region,
 * and only the first step can need memory, if the region goes on behind the
 * run.
 */
static int forget_run(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int ret = 0;

	while (start < end) {
		uintptr_t at = (end - 1) & ~(MM_BLOCK_SIZE - 1);
		int err;

		if (at < start)
			at = start;
		err = forget_part(u, at, end);
		if (err)
			ret = err;
		if (err == -ENOMEM)
			break;
		end = at;
		if (start < end)
			sys_call_open();
	}
	return ret;
}

int range_forget(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int ret = 0;

	region_for_each(u, start, end, s, e) {
		int err = forget_run(u, s, e);

		ret = err ? err : ret;
		if (ret == -ENOMEM)
			break;
	}
	region_reap(u);
	return ret;
}
