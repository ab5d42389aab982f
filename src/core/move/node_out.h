/* SPDX-License-Identifier: MIT */
/* node_out.h - pages go to devices that are NUMA nodes: node_out.c */
#ifndef UHMM_MOVE_NODE_OUT_H
#define UHMM_MOVE_NODE_OUT_H

#include <stdint.h>

#include "core/move/out.h"

/*
 * Pages of one block to a node, as out_block() and with its mover lock taken
 * and left again.  @why is set for all of @want.  Return: 0, -errno.
 */
int node_out(struct uhmm *u, struct block *b, const struct mm_set *want,
	     struct uhmm_device *dev, uint8_t *why);
/*
 * The same for the limit on RAM, with the mover lock held: @want, or with
 * OUT_DEMOTE what of it is frozen.  Return: pages that went, -errno.
 */
int node_demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how);

#endif
