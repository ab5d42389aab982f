/* SPDX-License-Identifier: MIT */
/* placed.h - device memory that the CPU maps by a file; see coherent.c */
#ifndef UHMM_COHERENT_PLACED_H
#define UHMM_COHERENT_PLACED_H

#include "core/context/context.h"
#include "core/device/move.h"

/*
 * Mappings of one block to be replaced.
 * @m: the move that needs it, with no spare device pages
 * @set: pages marked by coherent_mark(), or with @lost by coherent_mark_lost()
 * @done: pages that have their new mapping; @err: why not all, or 0
 * @wipe: discarded meanwhile
 */
struct swap {
	struct move *m;
	struct mm_set set, done, wipe;
	int err;
	bool lost;
};

/* Faults wait from now on.  Locked. */
void coherent_mark(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		   uint64_t dpfn);
/*
 * Both are called by the mover, without locks.  The mover holds the device by
 * call_hold() since before it unlocked the block: the device's file must stay.
 * After coherent_place() what was placed is P_COHERENT and the rest P_DEVICE.
 * After coherent_unplace() what was taken back is P_COMING and in @s->done, and
 * the rest as before (@placed: P_COHERENT), or settled.
 */
void coherent_place(struct swap *s);
void coherent_unplace(struct swap *s, const struct mm_set *placed);
/*
 * Lost, and perhaps mapped still: the word becomes P_POISONED, and says where
 * the page is, as @w does.  @orphan: the application moved it.  Locked.
 */
void coherent_mark_lost(struct uhmm *u, struct block *b, unsigned i, uint64_t w,
			bool orphan);
/*
 * Of pages so marked the device's memory goes from their addresses, and a touch
 * raises SIGBUS.  Without locks.
 */
void coherent_lose(struct swap *s);
/*
 * Nothing of @dev is mapped any more where it should be, near @va.  Is that
 * because the kernel does not tell what becomes of its mappings?  Then its page
 * may be in use anywhere.
 */
bool coherent_is_elsewhere(struct uhmm_device *dev, uintptr_t va);
/* The same for orphans, if there are any. */
void coherent_adopt(struct uhmm_device *dev);
/* Locked. */
void coherent_count(struct uhmm *u, struct block *b);
/* Leave of @want what there are mappings for. */
void coherent_fit(struct uhmm *u, struct block *b, struct mm_set *want,
		  const struct uhmm_device *dev, uint8_t *why);

#endif
