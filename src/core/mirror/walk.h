/* SPDX-License-Identifier: MIT */
/* walk.h - a look at pages of one block, for a mirror: mirror_look.c */
#ifndef UHMM_MIRROR_WALK_H
#define UHMM_MIRROR_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/notify/mirror.h"
#include "core/page/block.h"
#include "mm/mm.h"

#include <uhmm/mirror.h>

/*
 * Pages [start, end) of one block.
 * @n: how many from @start can be entered
 * @err: why page @n cannot be entered; 0: it has to be faulted in
 * @before: @n of the attempt before
 * @scarce: @n has sunk: RAM has no room for all pages
 */
struct mirror_walk {
	struct uhmm_mirror *m;
	uintptr_t start, end;
	unsigned flags;
	bool scarce;
	unsigned n, before;
	int err;
	uint64_t word;	    /* of page @n */
	struct mm_set kept; /* pages with a kept frame: read-only */
	uint16_t look[MM_BLOCK_PAGES];
	uhmm_pfn_t pfn[MM_BLOCK_PAGES];
};

static inline unsigned nr_pages(const struct mirror_walk *w)
{
	return (unsigned)((w->end - w->start) >> MM_PAGE_SHIFT);
}

static inline bool is_in_mirror(const struct uhmm_mirror *m, uintptr_t start,
				uintptr_t end)
{
	return start >= m->start && end <= m->end;
}

/*
 * Look at the pages and fill in @n, @err, @word, @pfn.  Return: 0, or -errno of
 * the look itself.
 */
int walk_collect(struct mirror_walk *w);

#endif
