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
 * @n: how many from @start can be entered; @err: why the next cannot, 0 when it
 *	has to be faulted in
 * @before: how many could be, one try before
 * @scarce: there were more before
 */
struct walk {
	struct uhmm_mirror *m;
	uintptr_t start, end;
	unsigned flags;
	bool scarce;
	unsigned n, before;
	int err;
	uint64_t word;	    /* of the next */
	struct mm_set kept; /* of the block: may not be written to */
	uint16_t look[MM_BLOCK_PAGES];
	uhmm_pfn_t pfn[MM_BLOCK_PAGES];
};

static inline unsigned nr_pages(const struct walk *w)
{
	return (unsigned)((w->end - w->start) >> MM_PAGE_SHIFT);
}

static inline bool is_in_mirror(const struct uhmm_mirror *m, uintptr_t start,
				uintptr_t end)
{
	return start >= m->start && end <= m->end;
}

/* Look, and fill in what was found.  Return: 0, -errno of the look itself. */
int walk_collect(struct walk *w);

#endif
