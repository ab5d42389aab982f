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
 * @frozen, @empty: selected, and already in frames or known to be nothing
 * @left: to be taken by their mapping
 * @m.set, @zero: frozen into frames, or nothing there
 * @done: copied to the device
 * @full: pages that the device had no room for
 * @placing: to be mapped for the CPU
 * @room: pages that may yet be added, charge=keep
 * @keep: their frames are kept
 * @gone: words of pages that were lost meanwhile, to be freed
 */
struct out {
	enum out_how how;
	struct mm_freeze f;
	struct mm_set managed;
	struct mm_set frozen, empty, left;
	struct mm_set zero, done, full, placing;
	struct booking booking;
	uint64_t room;
	bool keep;
	unsigned ngone;
	struct move m; /* from its @dpfn on not initialized */
	uint64_t gone[MM_BLOCK_PAGES];
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

/* P_STASHING with PAGE_NEW: it was write-protected when it came. */
#define PAGE_CAME_MARKED PAGE_SWAPPING

/* out_freeze.c */
void out_init(struct out *o, struct uhmm *u, struct block *b,
	      struct uhmm_device *dev);
void out_why(struct out *o, unsigned i, enum uhmm_why why);
/* Free what was lost while it was set aside.  Not locked. */
void out_free_gone(struct out *o);
/* Do holes become zeroes on the device? */
bool out_takes_holes(const struct out *o);
/* Give back what was selected but not frozen. */
void out_reset(struct out *o);
/*
 * The block gets a slot with nothing at @want.  It is set before anything is
 * frozen, and the mover lock keeps it.
 */
int out_give_slot(struct uhmm *u, struct block *b, const struct mm_set *want);
/* Select and freeze.  Return: 0 to go on, 1 when nothing is to be done. */
int out_freeze(struct out *o, const struct mm_set *want, enum out_how how);
/* Freeze o->f.want and note what is in frames now; the block is locked. */
int out_take_frames(struct out *o);

/* out_stash.c: what freeze() had to leave */
/* Let faults on o->f.left wait from now on, and on what lies between. Locked */
void out_set_aside(struct out *o);
/* Take what was set aside.  Locked on return. */
void out_take_aside_lock(struct out *o) TAKES(o->m.b->lock);
/*
 * After it: did the application unmap, move or discard the page meanwhile?  Its
 * word says what is there now; what has to go back joins @back.  Locked.
 */
bool out_was_overtaken(struct out *o, unsigned i, struct mm_set *back);
/* After it: what was wanted joins o->framed and o->zero, the rest goes back. */
void out_sort_aside(struct out *o);
/* Pages of o->f.framed that nobody wanted go back to their addresses. Locked */
void out_give_back(struct out *o, const struct mm_set *set);

#endif
