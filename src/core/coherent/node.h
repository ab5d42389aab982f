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
 * It gets its number, and its node is kept free of all that did not ask for it.
 * -EBUSY: it is a device already; -ENODEV: there is no such node, or no other;
 * -ENOSPC; -ENOMEM.
 */
int node_attach(struct uhmm_device *dev);
void node_detach(struct uhmm_device *dev);
/* Of all devices: the context is about to be closed. */
void node_detach_all(struct uhmm *u);

/*
 * Pages come home: what of @want is on a node, or on the one that is @only.
 * Locks as home_block().  @why may be NULL.  Return: 0; -EBUSY: some are still
 * there.
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
