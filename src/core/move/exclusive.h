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
 * Return: 0, or -EBUSY, -EAGAIN, -ENOMEM; perhaps some of them are taken
 * nevertheless.
 */
int exclusive_take(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id);
/* The CPU gets back what is exclusive to mirror @id; 0: to any mirror. */
void exclusive_end(struct uhmm *u, struct block *b, const struct mm_set *want,
		   unsigned id);
/* A CPU touch.  @b locked, unlocked on return. */
enum mm_outcome exclusive_fault_unlock(struct uhmm *u, struct block *b,
				       unsigned i) LETS_GO(b->lock);

#endif
