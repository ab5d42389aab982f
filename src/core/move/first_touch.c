/* SPDX-License-Identifier: MIT */
/*
 * first_touch.c - pages that were never touched begin on a device.
 *
 * There is nothing to copy: a device page is cleared, and the page is on the
 * device then.  The steps are those of a move out.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/move/migrate.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

static bool may_be_untouched(uint64_t w)
{
	return page_is_unmoved(w) && !page_pins(w);
}

/* Keep the pages in @set that were never touched. */
static int keep_untouched(struct uhmm *u, uintptr_t va, struct mm_set *set)
	NOT_GUARDED /* there may be no block */
{
	struct block *b = block_find(u, va);
	struct mm_set there;
	int err;

	if (b)
		block_lock(b);
	err = u->mm->ops->resident(u->mm, va & ~(MM_BLOCK_SIZE - 1), 0,
				   MM_BLOCK_PAGES, &there);
	set_for_each(set, i)
		if (set_has(&there, i) ||
		    (b && !may_be_untouched(block_word(b, i))))
			set_del(set, i);
	if (b)
		block_unlock(u, b);
	return err;
}

static ssize_t count_on(struct uhmm *u, uintptr_t start, uintptr_t end,
			const struct uhmm_device *dev)
{
	struct block *b = block_find(u, start);
	ssize_t n = 0;

	if (!b)
		return 0;
	block_lock(b);
	for (unsigned i = page_index(start); i <= page_index(end - 1); i++)
		n += page_is_away(block_word(b, i)) &&
		     page_dev(block_word(b, i)) == dev->id;
	block_unlock(u, b);
	return n;
}

static ssize_t prefer_part(struct uhmm *u, uintptr_t start, uintptr_t end,
			   struct uhmm_device *dev)
{
	uint8_t why[MM_BLOCK_PAGES];
	struct mm_set want;
	int err;

	region_set(u, start, end, &want);
	err = keep_untouched(u, start, &want);
	if (!err && !set_empty(&want)) {
		gate_enter(u);
		err = migrate_block(u, start, &want, dev, why);
		gate_leave(u);
	}
	return err ? err : count_on(u, start, end, dev);
}

ssize_t do_prefer(struct uhmm *u, uintptr_t addr, size_t len,
		  struct uhmm_device *dev)
{
	uintptr_t at = addr, end = addr + len, next, last;
	ssize_t total = 0;
	int err;

	if (device_is_lost(dev))
		return -ENODEV;
	err = range_take_in(u, addr, end, false);
	if (err)
		return err;
	for (; at < end && region_next(u, at, end, &at, &last); at = next) {
		ssize_t n;

		next = block_part_end(at, end);
		n = prefer_part(u, at, next, dev);
		if (n < 0)
			return total ? total : n;
		total += n;
	}
	return total;
}
