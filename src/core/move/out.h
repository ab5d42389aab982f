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
 * out.c: pages of one block to a device, under its mover lock.  @why: of all
 * 512 pages, or NULL
 */
enum out_how {
	OUT_MIGRATE, /* all that @want names, because someone asked */
	OUT_DEMOTE,  /* what was parked and not used since */
	OUT_EVICT,   /* as OUT_MIGRATE, and what a fork(2) left shared */
};
/* Return: pages that went, or -errno when nothing could be tried. */
int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why);
/* Freeze what is in RAM, to see whether it is used.  Return: pages, -errno */
int out_park(struct uhmm *u, struct block *b);

#endif
