/* SPDX-License-Identifier: MIT */
/* site_out.h - pages go to devices that are sites: site_out.c */
#ifndef UHMM_MOVE_SITE_OUT_H
#define UHMM_MOVE_SITE_OUT_H

#include <stdint.h>

#include "core/move/out.h"

/*
 * Move pages of one block to a site, by the steps of out_block().  Takes the
 * block's mover lock and drops it.  @why is set for all of @want.  Return: 0,
 * -errno.
 */
int site_out(struct uhmm *u, struct block *b, const struct mm_set *want,
	     struct uhmm_device *dev, uint8_t *why);
/*
 * site_out() for the demoter, which holds the mover lock: @want, or with
 * OUT_DEMOTE its frozen pages.  Return: pages that went, -errno.
 */
int site_demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how);

#endif
