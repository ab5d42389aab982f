/* SPDX-License-Identifier: MIT */
/* node_out.h - pages go to devices that are NUMA nodes: node_out.c */
#ifndef UHMM_MOVE_NODE_OUT_H
#define UHMM_MOVE_NODE_OUT_H

#include <stdint.h>

#include "core/move/out.h"

/*
 * Move pages of one block to a node, by the steps of out_block().  Takes the
 * block's mover lock and drops it.  @why is set for all of @want.  Return: 0,
 * -errno.
 */
int node_out(struct uhmm *u, struct block *b, const struct mm_set *want,
	     struct uhmm_device *dev, uint8_t *why);
/*
 * node_out() for the demoter, which holds the mover lock: @want, or with
 * OUT_DEMOTE its frozen pages.  Return: pages that went, -errno.
 */
int node_demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how);

#endif
