/* SPDX-License-Identifier: MIT */
/* fits.h - which memory can go where */
#ifndef UHMM_MOVE_FITS_H
#define UHMM_MOVE_FITS_H

#include <stdbool.h>

#include "core/context/context.h"
#include "core/device/device.h"
#include "core/page/block.h"
#include "core/page/block_file.h"

/* Is the block memory of an object, which several mappings share? */
static inline bool move_is_shared(struct uhmm *u, const struct block *b)
{
	return atomic_load_explicit(&u->objects.nr, memory_order_relaxed) &&
	       u->mm->ops->is_object(u->mm, b->va);
}

/*
 * Device memory is mapped at one address; a node has pages of one mapping.  The
 * pages of a file are written back from RAM, or from where they are copied to.
 */
static inline bool move_fits(struct uhmm *u, const struct block *b,
			     const struct uhmm_device *dev)
{
	return !(device_is_site(dev) || device_is_mapped(dev)) ||
	       (!move_is_shared(u, b) && !block_file(b));
}

#endif
