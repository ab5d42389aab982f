/* SPDX-License-Identifier: MIT */
/* site.h - devices that are sites: site.c; out to them: site_out.c */
#ifndef UHMM_COHERENT_SITE_H
#define UHMM_COHERENT_SITE_H

#include "core/context/context.h"

/* Is the page at the site of a device? */
static inline bool site_has(struct uhmm *u, uint64_t w)
{
	return page_state(w) == P_COHERENT &&
	       device_is_site(device_get(u, page_dev(w)));
}

/*
 * Give the device its number, and bind all managed memory to other nodes, so
 * that the kernel puts no page on this node.  -EBUSY: the node is a device
 * already; -ENODEV: there is no such node, or no other one; -ENOSPC; -ENOMEM.
 */
int site_attach(struct uhmm_device *dev);
void site_detach(struct uhmm_device *dev);
/*
 * The kernel module brings pages home by itself: words that are behind become
 * P_RAM.  Costs little if no page came.  Called without locks.
 * site_ask_again(): likewise, on any stack.
 */
void site_look_again(struct uhmm *u);
void site_ask_again(struct uhmm *u);
/*
 * The data at the device's site are gone.  From then on no page comes home, and
 * no word says that a page is there that came home earlier.
 */
int site_lose(struct uhmm_device *dev);
/* No callback copies: ask how much RAM the device takes.  Without locks. */
void site_note_ram(struct uhmm_device *dev);
/* The lost device's provider is about to be released. */
void site_forget(struct uhmm_device *dev);
/* site_detach() for all devices: the context is about to be closed. */
void site_detach_all(struct uhmm *u);

/*
 * Bring pages of @want home that are at a site, or at that of @only.  Locks as
 * for home_block().  @fork: pages that a child shares stay.  @why may be NULL.
 * Return: 0, or -EBUSY: some are still at a site.
 */
int site_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      const struct uhmm_device *only, bool fork, uint8_t *why);

/*
 * After a move: pages of the block that are not at their site any more become
 * P_RAM.  @want: pages that were to come home; @why as above.  Return: how many
 * of @want are still at a site.
 */
unsigned site_recount(struct uhmm *u, struct block *b,
		      const struct mm_set *want, const struct uhmm_device *only,
		      uint8_t *why);

#endif
