/* SPDX-License-Identifier: MIT */
/* placed.h - device memory that the CPU maps by a file; see coherent.c */
#ifndef UHMM_COHERENT_PLACED_H
#define UHMM_COHERENT_PLACED_H

#include "core/context/context.h"
#include "core/device/move.h"

/*
 * Mappings of one block to be replaced.
 * @m: the move that these pages belong to; it has no spare device pages
 * @set: pages marked by coherent_mark(), or with @lost by coherent_mark_lost()
 * @done: pages that have their new mapping; @err: why some have not, or 0
 * @wipe: pages that were discarded meanwhile, to be zeroed
 * @must: also where the program has announced a change, which may not end
 */
struct swap {
	struct move *m;
	struct mm_set set, done, wipe;
	int err;
	bool lost, must;
};

/* Mark page @i: faults wait from now on.  Caller holds b->lock. */
void coherent_mark(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		   uint64_t dpfn);
/*
 * The mover calls both, without a block's lock.  It has called call_hold()
 * before it unlocked the block, because the device's file must stay open.
 *
 * coherent_place(): placed pages become P_COHERENT, the others P_DEVICE.
 * coherent_unplace(): pages that lost their mapping are P_COMING and in
 * s->done.  The others are as before (P_COHERENT if in @placed), or settled.
 */
void coherent_place(struct swap *s);
void coherent_unplace(struct swap *s, const struct mm_set *placed);
/*
 * Page @i is lost and may still be mapped: its word becomes P_POISONED, with
 * the device and dpfn of @w.  coherent_move_lost(): the application moves the
 * page to this address, so no thread is working on it.  Caller holds b->lock.
 */
void coherent_mark_lost(struct uhmm *u, struct block *b, unsigned i,
			uint64_t w);
void coherent_move_lost(struct uhmm *u, struct block *b, unsigned i,
			uint64_t w);
/*
 * Unmap device memory from pages that coherent_mark_lost() marked; a touch
 * raises SIGBUS.  Without locks.
 */
void coherent_lose(struct swap *s);
/*
 * The mapping of a page of @dev near @va is gone without an event.  Return:
 * true if mappings of @dev raise no events, so that the page may be mapped and
 * in use elsewhere.
 */
bool coherent_is_elsewhere(struct uhmm_device *dev, uintptr_t va);
/* Like coherent_lose(), for all orphans of @dev. */
void coherent_lose_orphans(struct uhmm_device *dev);
/* Update how many mappings of device memory @b has.  Caller holds b->lock. */
void coherent_count(struct uhmm *u, struct block *b);
/*
 * Remove pages from @want for which the process has no mappings left; their
 * @why is UHMM_WHY_MAPPINGS.
 */
void coherent_fit(struct uhmm *u, struct block *b, struct mm_set *want,
		  const struct uhmm_device *dev, uint8_t *why);

#endif
