/* SPDX-License-Identifier: MIT */
/* exclusive.h - pages that only one device may touch: exclusive.c */
#ifndef UHMM_MOVE_EXCLUSIVE_H
#define UHMM_MOVE_EXCLUSIVE_H

#include "core/page/block.h"
#include "mm/mm.h"

struct mm_set;
struct uhmm;

/*
 * Take the pages of @want, which are in RAM, into frames for mirror @id.
 * Return: 0, or -EBUSY, -EAGAIN, -ENOMEM; some pages may have been taken even
 * then.
 */
int exclusive_take(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id);
/*
 * Give pages of @want that are exclusive to mirror @id back to the CPU; 0: of
 * any mirror.
 */
void exclusive_end(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id);
/* Serve a CPU touch.  Called with b->lock held, returns with it released. */
enum mm_outcome exclusive_fault_unlock(struct uhmm *u, struct block *b,
				       unsigned i) LETS_GO(b->lock);

#endif
