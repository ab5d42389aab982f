/* SPDX-License-Identifier: MIT */
/* pin.c - pages that must stay in RAM. */
#include <errno.h>

#include "core/context/context.h"
#include "core/move/home.h"
#include "core/move/migrate.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* A page that is home, or was never touched, can be pinned where it is. */
static int pin_page(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i);

	if (page_state(w) == P_EMPTY) {
		block_event(u, b, i, E_HOME);
		w = block_word(b, i);
	}
	if (page_state(w) == P_POISONED)
		return -EIO;
	if (!page_has(w, PAGE_PINNABLE))
		return -EAGAIN;
	if (page_pins(w) == PAGE_PIN_MAX)
		return -EOVERFLOW;
	block_pin(u, b, i);
	return 0;
}

/* If the page was unmapped since, it has no pins any more. */
static void unpin_page(struct uhmm *u, struct block *b, unsigned i)
{
	if (page_pins(block_word(b, i)))
		block_unpin(u, b, i);
}

/* Only managed pages can be pinned: other pins would never be taken back. */
static bool are_all_managed(struct uhmm *u, const struct block *b,
			    const struct mm_set *want)
{
	struct mm_set managed;

	block_managed(u, b, &managed);
	set_for_each(want, i)
		if (!set_has(&managed, i))
			return false;
	return true;
}

/*
 * Pin all pages of @want, or none.  -ESTALE: another thread unregistered some
 * pages, or mapped them anew.
 */
static int pin_locked(struct uhmm *u, struct block *b,
		      const struct mm_set *want)
{
	int err = block_ensure_table(u, b);

	if (err)
		return err;
	if (!are_all_managed(u, b, want))
		return -ESTALE;
	set_for_each(want, i) {
		err = pin_page(u, b, i);
		if (!err)
			continue;
		set_for_each(want, k)
			if (k < i)
				unpin_page(u, b, k);
		break;
	}
	return err;
}

static int pin_part(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct block *b = block_get(u, start);
	struct sys_wait w = { .all = &u->waits,
			      .what = "pages to be in RAM at",
			      .at = start };
	struct mm_set want;
	int err;

	if (!b)
		return -ENOMEM;
	set_clear(&want);
	set_add_run(&want, page_index(start), page_index(end - 1) + 1);
	block_take_mover(u, b); /* what came home stays until it is pinned */
	for (;;) {
		err = home_block(u, b, &want, NULL, HOME_MIGRATE, NULL);
		if (err)
			break;
		block_lock(b);
		err = pin_locked(u, b, &want);
		block_unlock(u, b);
		if (err != -EAGAIN)
			break;
		sys_wait_note(&w);
		sys_yield();
	}
	sys_wait_end(&w);
	block_let_go(u, b);
	return err;
}

static int unpin_part(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct block *b = block_find(u, start);

	if (!b)
		return 0;
	block_lock(b);
	for (unsigned i = page_index(start); i <= page_index(end - 1); i++)
		unpin_page(u, b, i);
	block_unlock(u, b);
	return 0;
}

/*
 * Unmapped pages have no pins any more.  Return: 1: all managed pages are
 * pinned; 0: no page is managed; -EINVAL: a managed page is not pinned.
 */
static int check_pinned(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct block *b = block_find(u, start);
	struct mm_set managed;
	int ret = 0;

	region_set(u, start, end, &managed);
	if (set_empty(&managed))
		return 0;
	if (!b)
		return -EINVAL;
	block_lock(b);
	set_for_each(&managed, i)
		if (!page_pins(block_word(b, i)))
			ret = -EINVAL;
	block_unlock(u, b);
	return ret ? ret : 1;
}

static int try_pin(struct uhmm *u, uintptr_t addr, uintptr_t end)
{
	int err = range_take_in(u, addr, end, true);

	for (uintptr_t at = addr; at < end && !err;
	     at = block_part_end(at, end)) {
		err = pin_part(u, at, block_part_end(at, end));
		for (uintptr_t k = addr; err && k < at;
		     k = block_part_end(k, at))
			unpin_part(u, k, block_part_end(k, at));
	}
	return err;
}

int do_pin(struct uhmm *u, uintptr_t addr, size_t len)
{
	struct sys_wait w = { .all = &u->waits,
			      .what = "a range that others unregister at",
			      .at = addr };
	int err;

	for (;;) {
		err = try_pin(u, addr, addr + len);
		if (err != -ESTALE)
			break;
		sys_wait_yield(&w);
	}
	sys_wait_end(&w);
	return err;
}

int do_unpin(struct uhmm *u, uintptr_t addr, size_t len)
{
	uintptr_t end = addr + len;
	bool any = false;

	for (uintptr_t at = addr; at < end; at = block_part_end(at, end)) {
		int ret = check_pinned(u, at, block_part_end(at, end));

		if (ret < 0)
			return ret;
		any = any || ret;
	}
	if (!any)
		return -EINVAL;
	for (uintptr_t at = addr; at < end; at = block_part_end(at, end))
		unpin_part(u, at, block_part_end(at, end));
	return 0;
}
