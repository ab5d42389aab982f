/* SPDX-License-Identifier: MIT */
/* fetch.h - pages of one block and one device come home: fetch.c */
#ifndef UHMM_MOVE_FETCH_H
#define UHMM_MOVE_FETCH_H

#include "core/device/move.h"
#include "core/move/home.h"

/*
 * @m.set: pages marked P_COMING by us; @m.went: those that came
 * @placed: of them, on a device that the CPU maps
 * @read: copied; @failed: could not be; @gone: nothing is mapped there
 * @ram: where page 0 of the block would be copied to
 */
struct fetch {
	enum home_how how;
	struct mm_set read, failed, gone, placed;
	uint32_t slot;
	char *ram;
	bool again;	  /* not because of the device: to be tried again */
	bool may_unplace; /* not in a fault */
	bool share;	  /* for a read: the device's copies stay good */
	struct move m;	  /* from its @dpfn on not initialized */
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

void fetch_init(struct fetch *f, struct uhmm *u, struct block *b);
/* Is the page where only its device has it, or the CPU by the device's file? */
bool fetch_is_away(struct uhmm *u, uint64_t w);
/* Is it on the device of @f, if that is known, and on @only?  Locked. */
bool fetch_may(const struct fetch *f, unsigned i,
	       const struct uhmm_device *only);
/* Frames to copy @want into; or false. */
bool fetch_get_frames(struct fetch *f, const struct mm_set *want);
/* Mark what is on one device.  Locked. */
void fetch_mark(struct fetch *f, const struct mm_set *want,
		const struct uhmm_device *only);
/* What was marked comes home.  @b locked, unlocked on return. */
void fetch_marked_unlock(struct fetch *f) LETS_GO(f->m.b->lock);

#endif
