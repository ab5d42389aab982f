/* SPDX-License-Identifier: MIT */
/* node.h - devices that are NUMA nodes: node.c; out to them: node_out.c */
#ifndef UHMM_COHERENT_NODE_H
#define UHMM_COHERENT_NODE_H

#include "core/context/context.h"

/* Is the page on a node that is a device? */
static inline bool node_has(struct uhmm *u, uint64_t w)
{
	return page_state(w) == P_COHERENT &&
	       device_is_node(device_get(u, page_dev(w)));
}

/*
 * Give the device its number, and bind all managed memory to other nodes, so
 * that the kernel puts no page on this node.  -EBUSY: the node is a device
 * already; -ENODEV: there is no such node, or no other one; -ENOSPC; -ENOMEM.
 */
int node_attach(struct uhmm_device *dev);
void node_detach(struct uhmm_device *dev);
/* node_detach() for all devices: the context is about to be closed. */
void node_detach_all(struct uhmm *u);

/*
 * Bring pages of @want home that are on a node, or on the node @only.  Locks as
 * for home_block().  @why may be NULL.  Return: 0, or -EBUSY: some are still on
 * a node.
 */
int node_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      const struct uhmm_device *only, uint8_t *why);

/*
 * After a move: pages of the block that are not on their node any more become
 * P_RAM.  @want: pages that were to come home; @why as above.  Return: how many
 * of @want are still on a node.
 */
unsigned node_recount(struct uhmm *u, struct block *b,
		      const struct mm_set *want, const struct uhmm_device *only,
		      uint8_t *why);

#endif
