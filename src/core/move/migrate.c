/* SPDX-License-Identifier: MIT */
/*
 * migrate.c - the bodies of uhmm_migrate(), uhmm_register() and their kin:
 * ranges cut into blocks, blocks moved one after another.
 *
 * The calling thread enters the gate anew for each block, so that a fork(2)
 * waits for one block at most.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/coherent/fixed.h"
#include "core/coherent/placed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/move/clean.h"
#include "core/move/fits.h"
#include "core/move/home.h"
#include "core/move/migrate.h"
#include "core/move/out.h"
#include "core/move/peer_copy.h"
#include "core/move/range.h"
#include "core/move/site_out.h"
#include "core/move/unchanged.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/report/listing.h"

/* ---- To a device ------------------------------------------------------ */

static bool is_on_other(uint64_t w, const struct uhmm_device *dev, bool mapped)
{
	return ((page_state(w) == P_DEVICE && !mapped) ||
		page_state(w) == P_COHERENT) &&
	       page_dev(w) != dev->id;
}

/*
 * Steps that are needed before pages go out.
 * @clean: the block has clean pages
 * @others: pages are on devices other than the destination, or will be when
 *	clean pages have left
 */
struct steps {
	bool clean, others;
};

/* Find all needed steps in one look.  Caller holds the block's mover lock. */
static struct steps look_for_steps(struct uhmm *u, struct block *b,
				   const struct mm_set *want,
				   const struct uhmm_device *dev)
{
	struct steps ret = { false };

	block_lock(b);
	ret.clean = b->nr[P_CLEAN];
	if (ret.clean || b->nr[P_DEVICE] || b->nr[P_COHERENT])
		set_for_each(want, i)
			ret.others = ret.others ||
				     is_on_other(block_word(b, i), dev, false);
	ret.others = ret.others || ret.clean;
	block_unlock(u, b);
	return ret;
}

/*
 * Clean pages leave at once.  A clean page that cannot leave gives its copy up
 * and is tried like any other, if only to learn why.
 */
static void drop_copies(struct uhmm *u, struct block *b,
			const struct mm_set *want)
{
	clean_drop(u, b, want);
	block_lock(b);
	clean_break_unlock(u, b, want, NULL);
}

/*
 * Bring pages home that could not be copied from device to device, as many as
 * @dev has room for.  @mapped: only pages with device memory mapped at their
 * address
 */
static int fetch_from_others(struct uhmm *u, struct block *b,
			     const struct mm_set *want,
			     const struct uhmm_device *dev, bool mapped)
{
	uint64_t room = pagemap_room(&dev->pagemap);
	struct mm_set others;

	set_clear(&others);
	if (!charge_has_room(u, b, dev))
		return 0;
	block_lock(b);
	if (b->nr[P_DEVICE] || b->nr[P_COHERENT])
		set_for_each(want, i)
			if (room &&
			    is_on_other(block_word(b, i), dev, mapped)) {
				set_add(&others, i);
				room--;
			}
	block_unlock(u, b);
	if (set_empty(&others))
		return 0;
	return home_block(u, b, &others, NULL, HOME_MIGRATE, NULL);
}

/*
 * Pages that are still on another device found no room on @dev: correct @why.
 */
static void say_no_room(struct uhmm *u, struct block *b,
			const struct mm_set *want,
			const struct uhmm_device *dev, uint8_t *why)
{
	if (pagemap_room(&dev->pagemap) && charge_has_room(u, b, dev))
		return;
	block_lock(b);
	set_for_each(want, i)
		if (why[i] == UHMM_WHY_BUSY &&
		    is_on_other(block_word(b, i), dev, false))
			why[i] = UHMM_WHY_NO_ROOM;
	block_unlock(u, b);
}

/* Caller holds the block's mover lock. */
static int send_block(struct uhmm *u, struct block *b,
		      const struct mm_set *want, struct uhmm_device *dev,
		      uint8_t *why)
{
	struct mm_set fit = *want;
	struct steps steps;
	int err = 0;

	site_home(u, b, want, NULL, false, NULL);
	coherent_fit(u, b, &fit, dev, why);
	steps = look_for_steps(u, b, &fit, dev);
	if (steps.clean)
		drop_copies(u, b, &fit);
	if (steps.others) {
		bool all = device_is_mapped(dev) || peer_block(u, b, &fit, dev);

		fetch_from_others(u, b, &fit, dev, !all);
	}
	if (!set_empty(&fit))
		err = out_block(u, b, &fit, dev, OUT_MIGRATE, why);
	if (steps.others)
		say_no_room(u, b, &fit, dev, why);
	return err;
}

int migrate_block(struct uhmm *u, uintptr_t va, const struct mm_set *want,
		  struct uhmm_device *dev, uint8_t *why)
{
	struct block *b = block_get(u, va);
	int err;

	memset(why, UHMM_WHY_BUSY, MM_BLOCK_PAGES);
	if (!b)
		return -ENOMEM;
	if (device_is_lost(dev))
		return -ENODEV;
	if (device_is_fixed(dev)) {
		memset(why, UHMM_WHY_FIXED, MM_BLOCK_PAGES);
		return 0;
	}
	if (!move_fits(u, b, dev)) {
		memset(why, UHMM_WHY_UNSUPPORTED, MM_BLOCK_PAGES);
		return 0;
	}
	dropped_wait(u, b, want);
	unchanged_make_room(u, dev, MM_BLOCK_PAGES);
	if (device_is_site(dev))
		return site_out(u, b, want, dev, why);
	block_take_mover(u, b);
	err = send_block(u, b, want, dev, why);
	block_let_go(u, b);
	/*
	 * -EAGAIN: the application kept changing the block, so the pages are
	 * busy
	 */
	return err < 0 && err != -EAGAIN ? err : 0;
}

/* ---- To RAM ----------------------------------------------------------- */

static void tell_why_home(struct uhmm *u, struct block *b,
			  const struct mm_set *want, uint8_t *why)
{
	block_lock(b);
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		if (page_state(w) == P_POISONED)
			why[i] = UHMM_WHY_POISONED;
		else if (!page_has(w, PAGE_ON_DEVICE))
			why[i] = UHMM_WHY_OK;
		else if (!why[i])
			why[i] = UHMM_WHY_BUSY;
	}
	block_unlock(u, b);
}

static int block_to_ram(struct uhmm *u, uintptr_t va, const struct mm_set *want,
			uint8_t *why)
{
	struct block *b = block_find(u, va);
	int err;

	memset(why, UHMM_WHY_OK, MM_BLOCK_PAGES);
	if (!b)
		return 0;
	block_take_mover(u, b);
	err = home_block(u, b, want, NULL, HOME_MIGRATE, why);
	tell_why_home(u, b, want, why);
	block_let_go(u, b);
	return err == -EIO || err == -EBUSY ? 0 : err;
}

/* ---- Ranges ----------------------------------------------------------- */

/* @why: for the pages from @start on. */
static void why_unmanaged(struct uhmm *u, uintptr_t start, uintptr_t end,
			  const struct uhmm_device *dev,
			  const struct mm_set *managed, uint8_t *why)
{
	unsigned n = (unsigned)((end - start) >> MM_PAGE_SHIFT);
	uint64_t words[MM_BLOCK_PAGES] = { 0 };

	fixed_words(u, start, end, words);
	for (unsigned i = 0; i < n; i++) {
		if (set_has(managed, page_index(start) + i))
			continue;
		if (!words[i])
			why[i] = UHMM_WHY_UNSUPPORTED;
		else if (dev && dev->id == page_dev(words[i]))
			why[i] = UHMM_WHY_OK;
		else
			why[i] = UHMM_WHY_FIXED;
	}
}

/* Pages that look pinned, but not by uhmm_pin(): a fork(2) may be why. */
static void look_pinned(struct uhmm *u, struct block *b,
			const struct mm_set *want, const uint8_t *why,
			struct mm_set *ret)
{
	set_clear(ret);
	block_lock(b);
	set_for_each(want, i)
		if (why[i] == UHMM_WHY_PINNED && !page_pins(block_word(b, i)))
			set_add(ret, i);
	block_unlock(u, b);
}

/*
 * Try pages again that a fork(2) left shared.  A page that still looks pinned
 * afterwards is pinned.  Called outside of the gate, because the calling thread
 * may wait for a fault of its own.
 */
static int migrate_forked(struct uhmm *u, uintptr_t va,
			  const struct mm_set *want, struct uhmm_device *dev,
			  uint8_t *why)
{
	struct block *b = block_find(u, va);
	uint8_t again[MM_BLOCK_PAGES];
	struct mm_set left;
	int err;

	if (!b || !u->mm->ops->unshare)
		return 0;
	look_pinned(u, b, want, why, &left);
	if (set_empty(&left))
		return 0;
	u->mm->ops->unshare(u->mm, b->va, &left);
	gate_enter(u);
	err = migrate_block(u, va, &left, dev, again);
	gate_leave(u);
	set_for_each(&left, i)
		why[i] = again[i];
	return err;
}

/*
 * Move one block's part of a range.  Return: pages at the destination, -errno.
 */
static ssize_t migrate_part(struct uhmm *u, uintptr_t start, uintptr_t end,
			    struct uhmm_device *dev, uint8_t *ret_why,
			    bool *ret_known)
{
	unsigned first = page_index(start), last = page_index(end - 1) + 1;
	uint8_t why[MM_BLOCK_PAGES];
	struct mm_set want;
	uintptr_t s, e;
	bool managed;
	ssize_t n = 0;
	uint64_t w;
	int err = 0;

	region_set(u, start, end, &want);
	managed = !set_empty(&want);
	*ret_known = managed || fixed_next(u, start, end, &s, &e, &w);
	if (managed && !dev)
		room_make_way(u, block_find(u, start));
	gate_enter(u);
	if (managed && dev)
		err = migrate_block(u, start, &want, dev, why);
	else if (managed)
		err = block_to_ram(u, start, &want, why);
	gate_leave(u);
	if (managed && dev && !err)
		err = migrate_forked(u, start, &want, dev, why);
	if (set_count(&want) < last - first)
		why_unmanaged(u, start, end, dev, &want, why + first);
	for (unsigned i = first; i < last; i++)
		n += why[i] == UHMM_WHY_OK;
	if (ret_why)
		memcpy(ret_why, why + first, last - first);
	return err ? err : n;
}

/* The reason why no page could be managed. */
static int why_none(struct uhmm *u, uintptr_t start)
{
	struct mm_extent e;

	if (u->mm->ops->survey(u->mm, start, start + MM_PAGE_SIZE, &e, 1) == 1)
		return e.kind == MM_ANON ? -EBUSY : -EOPNOTSUPP;
	return -EOPNOTSUPP;
}

/*
 * Unmanaged pages: tell those of another userfaultfd from the rest, and from
 * those that another thread took back from us meanwhile (@changed).
 */
static void refine_why(struct uhmm *u, uintptr_t addr, size_t npages,
		       bool changed, uint8_t *why)
{
	for (size_t i = 0; i < npages; i++) {
		uintptr_t a = addr + i * MM_PAGE_SIZE;

		if (why[i] == UHMM_WHY_UNSUPPORTED &&
		    !region_covers(u, a, a + MM_PAGE_SIZE) &&
		    why_none(u, a) == -EBUSY)
			why[i] = changed ? UHMM_WHY_BUSY : UHMM_WHY_FOREIGN;
	}
}

/* [at, end) of the range from @addr on was not tried. */
static void say_busy(uint8_t *why, uintptr_t addr, uintptr_t at, uintptr_t end)
{
	if (why)
		memset(why + ((at - addr) >> MM_PAGE_SHIFT), UHMM_WHY_BUSY,
		       (end - at) >> MM_PAGE_SHIFT);
}

/*
 * The next managed address to try; without skipping any if the caller wants
 * reasons.
 */
static uintptr_t next_part(struct uhmm *u, uintptr_t at, uintptr_t end,
			   const uint8_t *why)
{
	uintptr_t s, e;

	if (why)
		return at;
	return listing_next(u, at, &s, &e) && s < end ? (s > at ? s : at) : end;
}

static ssize_t migrate_range(struct uhmm *u, uintptr_t addr, size_t len,
			     struct uhmm_device *dev, uint8_t *why)
{
	uintptr_t end = addr + len;
	bool any = false, known;
	ssize_t total = 0;

	for (uintptr_t at = next_part(u, addr, end, why), last; at < end;
	     at = next_part(u, last, end, why)) {
		ssize_t n;

		last = block_part_end(at, end);
		n = migrate_part(u, at, last, dev,
				 why ? why + ((at - addr) >> MM_PAGE_SHIFT) :
				       NULL,
				 &known);
		if (n < 0 && !total)
			return n;
		if (n < 0) {
			say_busy(why, addr, last, end);
			return total;
		}
		total += n;
		any = any || known;
		if (last < end)
			sys_call_open();
	}
	return any ? total : why_none(u, addr);
}

/* One try.  *@ret_changed: addresses ceased to be managed meanwhile. */
static ssize_t try_migrate(struct uhmm *u, uintptr_t addr, size_t len,
			   struct uhmm_device *dev, uint8_t *why,
			   bool *ret_changed)
{
	uint64_t dels = region_dels(u);
	ssize_t n = range_take_in(u, addr, addr + len, false);

	if (!n)
		n = migrate_range(u, addr, len, dev, why);
	*ret_changed = region_dels(u) != dels;
	return n;
}

#define MAX_TRIES 100 /* each is for a change by another thread */

/*
 * If another thread unregistered or mapped anew all of the range after this
 * thread had taken it in, the range is taken in again.
 */
ssize_t do_migrate(struct uhmm *u, uintptr_t addr, size_t len,
		   struct uhmm_device *dev, uint8_t *why)
{
	bool changed = true;
	ssize_t n = -EBUSY;

	for (int tries = 0; n == -EBUSY && changed && tries < MAX_TRIES;
	     tries++)
		n = try_migrate(u, addr, len, dev, why, &changed);
	if (n >= 0 && why)
		refine_why(u, addr, len >> MM_PAGE_SHIFT, changed, why);
	return n;
}

/* ---- Register, unregister --------------------------------------------- */

int do_register(struct uhmm *u, uintptr_t addr, size_t len)
{
	return range_take_in(u, addr, addr + len, true);
}

int do_unregister(struct uhmm *u, uintptr_t addr, size_t len)
{
	uintptr_t at = addr, end = addr + len, last;

	for (; block_next(u, &at, end); at = last) {
		last = block_part_end(at, end);
		if (block_file(block_find(u, at)))
			return -EOPNOTSUPP;
		if (range_is_pinned(u, at, last))
			return -EBUSY;
	}
	return range_forget(u, addr, end);
}
