/* SPDX-License-Identifier: MIT */
/* fetch.h - pages of one block and one device come home: fetch.c */
#ifndef UHMM_MOVE_FETCH_H
#define UHMM_MOVE_FETCH_H

#include "core/device/move.h"
#include "core/move/home.h"
#include "core/page/digest.h"

/*
 * @m.set: pages that this thread marked P_COMING; @m.went: pages that came
 * @placed: pages of @m.set with device memory mapped at their address
 * @read: copied; @failed: could not be copied; @gone: address is unmapped
 * @stay: the program changes the mapping, by its own word
 * @ram: where page 0 of the block would be copied to
 */
struct fetch {
	enum home_how how;
	struct mm_set read, failed, gone, stay, placed;
	uint32_t slot;
	char *ram;
	bool again;	  /* some failed, but not by the device: try again */
	bool may_unplace; /* not in a fault */
	bool must;	  /* @stay is not for these: the device goes, say */
	bool share;	  /* map write-protected: device pages stay good */
	struct digest *digests; /* of pages from @first on; NULL: no twins */
	unsigned first;
	struct move m; /* from its @dpfn on not initialized */
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

void fetch_init(struct fetch *f, struct uhmm *u, struct block *b);
/* Are the data only on a device (whether the CPU maps device memory or not)? */
bool fetch_is_away(struct uhmm *u, uint64_t w);
/*
 * May @f fetch page @i: is it on the device of @f and on @only, as far as these
 * are set?  Caller holds the block's lock.
 */
bool fetch_may(const struct fetch *f, unsigned i,
	       const struct uhmm_device *only);
/* Get frames to copy @want into.  Return: false if there is no slot. */
bool fetch_get_frames(struct fetch *f, const struct mm_set *want);
/*
 * Mark the pages of @want on one device P_COMING.  Caller holds the block's
 * lock.
 */
void fetch_mark(struct fetch *f, const struct mm_set *want,
		const struct uhmm_device *only);
/*
 * Bring the marked pages home.  Called with the block's lock held, returns with
 * it released.
 */
void fetch_marked_unlock(struct fetch *f) LETS_GO(f->m.b->lock);

#endif
