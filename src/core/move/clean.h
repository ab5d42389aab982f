/* SPDX-License-Identifier: MIT */
/* clean.h - pages in RAM that have a good copy on a device. */
#ifndef UHMM_MOVE_CLEAN_H
#define UHMM_MOVE_CLEAN_H

#include <stdbool.h>

#include "core/page/block.h"

struct mm_set;
struct uhmm;
struct uhmm_device;

/* clean.c */
bool clean_wanted(struct uhmm *u, struct block *b,
		  const struct uhmm_device *dev);
void clean_written(struct block *b);
/*
 * Make clean pages of @want writable, and free their device pages.  Called with
 * b->lock held, returns with it released.
 */
int clean_break_unlock(struct uhmm *u, struct block *b,
		       const struct mm_set *want,
		       const struct uhmm_device *only) LETS_GO(b->lock);
/*
 * Drop clean pages from RAM: they are on their device already.  Caller holds
 * b->mover.  Return: pages dropped.
 */
int clean_drop(struct uhmm *u, struct block *b, const struct mm_set *want);

#endif
