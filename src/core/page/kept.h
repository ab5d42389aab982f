/* SPDX-License-Identifier: MIT */
/* kept.h - pages on a device that have a good frame in RAM: kept.c */
#ifndef UHMM_PAGE_KEPT_H
#define UHMM_PAGE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/page/page.h"

struct block;
struct uhmm;

/* The caller holds b->lock, but not of kept_shed(). */
/* Page @i has just become P_DEVICE, and its frame still has the same data. */
void kept_add(struct uhmm *u, struct block *b, unsigned i);
bool kept_has(struct uhmm *u, const struct block *b, unsigned i);
void kept_forget(struct uhmm *u, struct block *b, unsigned i);
/* Like block_arrive(), and the frame of the page stays kept. */
void kept_arrive(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		 uint64_t dpfn, enum page_event event);
/* The device page is lost: page @i becomes P_FROZEN, its frame has the data. */
void kept_park(struct uhmm *u, struct block *b, unsigned i);
/*
 * @n pages from @first have left their frames.  Where they were copied, or
 * discarded, and not moved, the frames still have memory.  That memory counts
 * as RAM, and the demoter gives it up first; the slot goes when the last page
 * has left.
 */
void kept_copied(struct uhmm *u, struct block *b, unsigned first, unsigned n);
/* @n frames with old data were dropped. */
void kept_dropped(struct uhmm *u, struct block *b, unsigned n);
/* No frame of @b has old data any more. */
void kept_none_old(struct uhmm *u, struct block *b);
/*
 * Give up frames that are kept no more.  block_unlock() calls this.  While a
 * mover holds b->mover, the slot is left alone: block_let_go() calls this
 * again.
 */
void kept_tidy(struct uhmm *u, struct block *b);
/*
 * Give up all frames with old data, and the slot if no other are left.  The
 * caller holds b->mover and not b->lock.
 */
void kept_shed(struct uhmm *u, struct block *b);
/* kept_shed() for all blocks.  The caller is in the gate, without locks. */
void kept_shed_all(struct uhmm *u);

#endif
