/* SPDX-License-Identifier: MIT */
/* out_steps.h - the steps of one move of pages of a block; see out.c */
#ifndef UHMM_MOVE_OUT_STEPS_H
#define UHMM_MOVE_OUT_STEPS_H

#include "core/context/context.h"
#include "core/device/move.h"
#include "core/move/out.h"
#include "core/page/page.h"

/*
 * @managed: pages of the block that can be touched at all
 * @frozen, @empty: selected pages that are already in frames, or holes
 * @left: to be taken by moving their mapping
 * @m.set, @zero: pages in frames, or holes
 * @done: copied to the device; @unchanged: there already: unchanged.c
 * @full: pages that the device had no room for
 * @placing: pages that are to have device memory mapped at their address
 * @room: charge=keep: pages that may still be added
 * @keep: frames of pages that arrived are kept
 * @gone: words of pages that were lost meanwhile, to be freed
 */
struct out {
	enum out_how how;
	struct mm_freeze f;
	struct mm_set managed;
	struct mm_set frozen, empty, left;
	struct mm_set zero, done, unchanged, full, placing;
	struct booking booking;
	uint64_t room;
	bool keep;
	unsigned ngone;
	struct move m; /* from its @dpfn on not initialized */
	uint64_t gone[MM_BLOCK_PAGES];
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

/* out_freeze.c */
void out_init(struct out *o, struct uhmm *u, struct block *b,
	      struct uhmm_device *dev);
void out_why(struct out *o, unsigned i, enum uhmm_why why);
/* Free device pages of pages that were lost while set aside.  Without locks. */
void out_free_gone(struct out *o);
/* Do holes become zeroes on the device? */
bool out_takes_holes(const struct out *o);
/* Give back the device pages of pages that were selected but not frozen. */
void out_reset(struct out *o);
/*
 * Give the block a slot without memory at the offsets of @want.  b->slot is set
 * before any page is frozen.  The caller holds the mover lock, so the block
 * keeps the slot.
 */
int out_give_slot(struct uhmm *u, struct block *b, const struct mm_set *want);
/* Select and freeze.  Return: 0 to go on, 1 when there is nothing to do. */
int out_freeze(struct out *o, const struct mm_set *want, enum out_how how);
/*
 * Freeze o->f.want and note the pages that are in frames now.  Caller holds the
 * block's lock.
 */
int out_take_frames(struct out *o);

/* out_stash.c: pages that freeze() could not take */
/*
 * Let faults on o->f.left, and on pages between them, wait from now on.  Caller
 * holds the block's lock.
 */
void out_set_aside(struct out *o);
/* Take the pages that were set aside.  Returns with the block's lock held. */
void out_take_aside_lock(struct out *o) TAKES(o->m.b->lock);
/*
 * After out_take_aside_lock(): did the application unmap, move or discard page
 * @i meanwhile?  Then its word is set by what is there now, and a page that has
 * to go back to its address joins @back.  Caller holds the block's lock.
 */
bool out_was_overtaken(struct out *o, unsigned i, struct mm_set *back);
/*
 * After out_take_aside_lock(): wanted pages join o->m.set and o->zero, the
 * other pages go back.
 */
void out_sort_aside(struct out *o);
/*
 * Map the pages of @set, in o->f.framed, at their addresses again.  Caller
 * holds the block's lock.
 */
void out_give_back(struct out *o, const struct mm_set *set);

#endif
