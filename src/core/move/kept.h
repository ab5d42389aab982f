/* SPDX-License-Identifier: MIT */
/* kept.h - pages on a device that have a good frame in RAM. */
#ifndef UHMM_MOVE_KEPT_H
#define UHMM_MOVE_KEPT_H

#include <stdbool.h>
#include <stdint.h>

struct block;
struct mm_set;
struct uhmm;
struct uhmm_device;

/* kept.c: called with the block locked, except as said */
bool kept_wanted(struct uhmm *u, const struct block *b,
		 const struct uhmm_device *dev);
void kept_add(struct uhmm *u, struct block *b, unsigned i);
bool kept_has(struct uhmm *u, const struct block *b, unsigned i);
void kept_forget(struct uhmm *u, struct block *b, unsigned i);
/* Give up frames that are of no use any more.  Called as a block is unlocked */
void kept_tidy(struct uhmm *u, struct block *b);
/* The same for @b, which is not locked, by its mover. */
void kept_shed(struct uhmm *u, struct block *b);
/* A limit on RAM changed; kept_limit_all() for all blocks, none locked. */
void kept_limit(struct uhmm *u, struct block *b);
void kept_limit_all(struct uhmm *u);
/* The device page is lost, and the frame has the only data. */
void kept_park(struct uhmm *u, struct block *b, unsigned i);
/*
 * What is kept of @want comes home, of one device.  Return: -ENOENT: there is
 * none.  Else @b is unlocked, and 0, or -EAGAIN: look again.
 */
int kept_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *only, uint8_t *why);
/* For a fault on @i, at most @n pages. */
int kept_home_run(struct uhmm *u, struct block *b, unsigned i, unsigned n);

#endif
