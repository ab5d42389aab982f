/* SPDX-License-Identifier: MIT */
/*
 * move.h - what all moves of pages of one block have in common.
 *
 * A struct of one kind of move (struct out, fetch, back, peer, drop, site_move,
 * swap, loss of a block) has a struct move in it and adds what that kind needs.
 */
#ifndef UHMM_DEVICE_MOVE_H
#define UHMM_DEVICE_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

#include "core/device/device.h"
#include "core/page/block.h"

/*
 * @dev: the device to which the pages go, or from which they come
 * @set: the pages, once they are marked
 * @why: of all 512 pages, or NULL
 * @went: pages that arrived
 * @dpfn: the device page of each page of @set
 * @spare: device pages that no word names: used by the move, or freed at its
 * end
 */
struct move {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *dev;
	uint8_t *why;
	struct mm_set set;
	unsigned went, nspare;
	uint64_t dpfn[MM_BLOCK_PAGES]; /* from here on not initialized */
	uint64_t spare[MM_BLOCK_PAGES];
};

/* @dev: NULL: the caller sets m->dev later */
void move_init(struct move *m, struct uhmm *u, struct block *b,
	       struct uhmm_device *dev);
/* The segments of the pages of @set; page i is at @dpfn[i], and of @ram. */
unsigned move_segments(const struct mm_set *set, const uint64_t *dpfn,
		       char *ram, struct uhmm_segment *ret_seg);
/* Free the spare device pages.  Without locks. */
void move_free_spare(struct move *m);

static inline void move_spare(struct move *m, uint64_t dpfn)
{
	m->spare[m->nspare++] = dpfn;
}

static inline void move_why(struct move *m, unsigned i, enum uhmm_why why)
{
	if (m->why)
		m->why[i] = (uint8_t)why;
}

/*
 * Is page @i still P_COMING from @dpfn, as its mover marked it?  Caller holds
 * b->lock.
 */
static inline bool page_is_coming(const struct block *b, unsigned i,
				  const struct uhmm_device *dev, uint64_t dpfn)
{
	return block_word(b, i) == page_on_device(P_COMING, dev->id, dpfn);
}

static inline bool move_is_coming(const struct move *m, unsigned i)
{
	return page_is_coming(m->b, i, m->dev, m->dpfn[i]);
}

/* The address of the first page of @set. */
static inline uintptr_t move_first(const struct move *m,
				   const struct mm_set *set)
{
	return block_addr(m->b, set_find(set, 0, true));
}

#endif
