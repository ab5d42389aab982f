/* SPDX-License-Identifier: MIT */
/* out.h - pages of one block go to a device; its steps are in out_steps.h. */
#ifndef UHMM_MOVE_OUT_H
#define UHMM_MOVE_OUT_H

#include <stdint.h>

struct block;
struct mm_set;
struct uhmm;
struct uhmm_device;

/*
 * out.c: move pages of one block to a device.  Caller holds the block's mover
 * lock.  @why: for all 512 pages, or NULL
 */
enum out_how {
	OUT_MIGRATE, /* all pages of @want, for a caller that asked */
	OUT_DEMOTE,  /* pages that were parked and not used since */
	OUT_EVICT,   /* OUT_MIGRATE, and pages that a fork(2) left shared */
};
/* Return: pages that went, or -errno when no page could be tried. */
int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why);
/*
 * Freeze pages of @want in RAM, to see if they are touched.  Return: pages,
 * -errno
 */
int out_park(struct uhmm *u, struct block *b, const struct mm_set *want);

#endif
