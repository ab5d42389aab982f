/* SPDX-License-Identifier: MIT */
/*
 * listing.c - what is where, by range, in the manner of /proc/PID/smaps.
 *
 * The page table is read without the block's lock, and pages are counted under
 * it: a page that moves in between may be missed or counted twice.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/fixed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/structs.h"
#include "core/device/device.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/report/listing.h"

/* The shared page of zeroes does not count as resident. */
static bool is_look_resident(uint16_t look)
{
	return look & MM_LOOK_PRESENT && !(look & MM_LOOK_ZERO);
}

static void count_page(struct listing *l, uint64_t w, uint16_t look)
{
	if (page_is_away(w))
		l->on[page_dev(w)]++;
	else if (page_has(w, PAGE_USES_FRAME))
		l->frozen++;
	else if (page_state(w) == P_POISONED)
		l->poisoned++;
	else if (is_look_resident(look))
		l->on[0]++;
	else
		l->empty++;
}

/* A page that is in its file, and nowhere else, counts as a hole. */
static uint64_t word_of(const struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i);

	return block_rests(b, w) ? (uint64_t)P_EMPTY : w;
}

/*
 * Is no page of @b in RAM?  If pages in RAM are counted, a block with counts of
 * zero has none.
 */
static bool has_nothing(struct uhmm *u, const struct block *b)
{
	return !b && atomic_load(&u->charge.on);
}

static int list_part(struct uhmm *u, uintptr_t start, uintptr_t end,
		     struct listing *l) NOT_GUARDED /* there may be no block */
{
	size_t n = (end - start) >> MM_PAGE_SHIFT;
	struct block *b = block_find(u, start);
	uint16_t look[MM_BLOCK_PAGES];
	unsigned first = page_index(start);
	int err;

	if (has_nothing(u, b)) {
		l->empty += n;
		return 0;
	}
	err = u->mm->ops->look(u->mm, start, n, look);
	if (err)
		return err;
	if (b)
		block_lock(b);
	for (unsigned i = 0; i < n; i++)
		count_page(l, b ? word_of(b, first + i) : 0, look[i]);
	if (b)
		block_unlock(u, b);
	return 0;
}

int listing_count(struct uhmm *u, uintptr_t start, uintptr_t end,
		  struct listing *ret)
{
	uintptr_t s, e;
	uint64_t w;
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	if (fixed_next(u, start, end, &s, &e, &w)) {
		ret->on[page_dev(w)] = (end - start) >> MM_PAGE_SHIFT;
		return 0;
	}
	while (start < end && !err) {
		uintptr_t last = block_part_end(start, end);

		err = list_part(u, start, last, ret);
		start = last;
	}
	return err;
}

bool listing_next(struct uhmm *u, uintptr_t from, uintptr_t *ret_start,
		  uintptr_t *ret_end)
{
	const uintptr_t end = (uintptr_t)1 << VA_BITS;
	uintptr_t s, e;
	uint64_t w;
	bool found = region_next(u, from, end, ret_start, ret_end);

	if (fixed_next(u, from, found ? *ret_start : end, &s, &e, &w)) {
		*ret_start = s;
		*ret_end = e;
		found = true;
	}
	return found;
}

uint64_t listing_away(const struct listing *l)
{
	uint64_t n = 0;

	for (unsigned id = 1; id < MAX_DEVICES; id++)
		n += l->on[id];
	return n;
}

/* ---- Public ----------------------------------------------------------- */

static void to_range(const struct listing *l, uintptr_t start, uintptr_t end,
		     struct uhmm_range *ret)
{
	*ret = (struct uhmm_range){
		.size = sizeof(*ret),
		.addr = (void *)start,
		.len = end - start,
		.ram_pages = l->on[0],
		.frozen_pages = l->frozen,
		.device_pages = listing_away(l),
		.poisoned_pages = l->poisoned,
		.empty_pages = l->empty,
	};
}

ssize_t do_ranges(struct uhmm *u, uintptr_t from, struct uhmm_range *ret,
		  size_t max)
{
	struct listing l;
	uintptr_t s, e;
	size_t n = 0;
	int err;

	site_look_again(u);
	while (n < max && listing_next(u, from, &s, &e)) {
		struct uhmm_range one;

		err = listing_count(u, s, e, &l);
		if (err)
			return n ? (ssize_t)n : err;
		to_range(&l, s, e, &one);
		put_entry(ret, n++, &one, sizeof(one)); /* may fault */
		from = e;
	}
	return (ssize_t)n;
}

ssize_t do_range_pages(struct uhmm *u, uintptr_t addr, size_t len,
		       unsigned tier)
{
	uintptr_t at = addr, end = addr + len, s, e;
	struct listing l;
	ssize_t n = 0;
	int err = 0;

	site_look_again(u);
	while (!err && at < end && listing_next(u, at, &s, &e) && s < end) {
		e = e < end ? e : end;
		err = listing_count(u, s, e, &l);
		n += (ssize_t)l.on[tier];
		if (!tier)
			n += (ssize_t)l.frozen;
		at = e;
	}
	return err ? err : n;
}

ssize_t uhmm_ranges(struct uhmm *u, const void *from,
		    struct uhmm_range *ret_ranges, size_t max)
{
	struct request req = { .op = REQ_RANGES,
			       .addr = (uintptr_t)from,
			       .ranges = ret_ranges,
			       .cookie = max };

	int err = check_entries(ret_ranges, sizeof(*ret_ranges), max);

	if (!u || err)
		return u ? err : -EINVAL;
	return (ssize_t)request_run(u, &req);
}

ssize_t uhmm_range_pages(struct uhmm *u, const void *addr, size_t len,
			 struct uhmm_device *dev)
{
	struct request req = { .op = REQ_RANGE_PAGES,
			       .addr = (uintptr_t)addr,
			       .len = len,
			       .dev = dev };
	int err = range_check(u, addr, len);

	if (err || (dev && dev->u != u))
		return -EINVAL;
	return (ssize_t)request_run(u, &req);
}
