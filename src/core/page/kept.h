/* SPDX-License-Identifier: MIT */
/* kept.h - pages on a device that have a good frame in RAM: kept.c */
#ifndef UHMM_PAGE_KEPT_H
#define UHMM_PAGE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

struct block;
struct uhmm;

/* All of them but kept_shed(): the block is locked. */
/* Page @i has just become P_DEVICE, and its frame is as it was. */
void kept_add(struct uhmm *u, struct block *b, unsigned i);
bool kept_has(struct uhmm *u, const struct block *b, unsigned i);
void kept_forget(struct uhmm *u, struct block *b, unsigned i);
/* A new word, and the frame of the page is good still. */
void kept_set(struct uhmm *u, struct block *b, unsigned i, uint64_t word);
/* The device page is lost, and the frame has the only data. */
void kept_park(struct uhmm *u, struct block *b, unsigned i);
/*
 * Give up frames that are of no use any more.  Called as a block is unlocked.
 * If a mover holds its lock, the slot is left alone: block_let_go() calls this
 * again.
 */
void kept_tidy(struct uhmm *u, struct block *b);
/* The same for @b, which is not locked, by its mover. */
void kept_shed(struct uhmm *u, struct block *b);

#endif
