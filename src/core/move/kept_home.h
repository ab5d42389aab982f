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

/* Should frames of what @b has on @dev be kept?  Locked. */
bool kept_wanted(struct uhmm *u, const struct block *b,
		 const struct uhmm_device *dev);
/*
 * What is kept of @want comes home, of one device.  Return: -ENOENT: there is
 * none, and @b is still locked.  Else @b is unlocked, and 0, or -EAGAIN: look
 * again.
 */
int kept_home_unlock(struct uhmm *u, struct block *b, const struct mm_set *want,
		     struct uhmm_device *only, uint8_t *why) LETS_GO(b->lock);
/* For a fault on @i, at most @n pages. */
int kept_home_run_unlock(struct uhmm *u, struct block *b, unsigned i,
			 unsigned n) LETS_GO(b->lock);

#endif
