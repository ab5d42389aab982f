/* SPDX-License-Identifier: MIT */
/* kept_home.h - pages that come home without a copy: kept_home.c */
#ifndef UHMM_MOVE_KEPT_HOME_H
#define UHMM_MOVE_KEPT_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/page/block.h"

struct mm_set;
struct uhmm;
struct uhmm_device;

/* Should frames of pages of @b on @dev be kept?  Caller holds b->lock. */
bool kept_wanted(struct uhmm *u, const struct block *b,
		 const struct uhmm_device *dev);
/*
 * Bring pages of @want with kept frames home, of one device.  Called with
 * b->lock held.  Return: -ENOENT: there is no such page, and b->lock is still
 * held.  Otherwise b->lock is released: 0, or -EAGAIN: look again.
 */
int kept_home_unlock(struct uhmm *u, struct block *b, const struct mm_set *want,
		     struct uhmm_device *only, uint8_t *why) LETS_GO(b->lock);
/* kept_home_unlock() for a fault on page @i; at most @n pages. */
int kept_home_run_unlock(struct uhmm *u, struct block *b, unsigned i,
			 unsigned n) LETS_GO(b->lock);

#endif
