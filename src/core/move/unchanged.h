/* SPDX-License-Identifier: MIT */
/* unchanged.h - pages that leave RAM with the data they came with. */
#ifndef UHMM_MOVE_UNCHANGED_H
#define UHMM_MOVE_UNCHANGED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/page/digest.h"

struct block;
struct out;
struct uhmm;
struct uhmm_device;

/* Pages of which a fault may take digests, on its stack. */
#define UNCHANGED_RUN 64

/*
 * Should a page of @b that comes home from @dev for a read have its device page
 * as its twin?  Caller holds b->lock.
 */
bool unchanged_wanted(struct uhmm *u, struct block *b,
		      const struct uhmm_device *dev);
/*
 * Page @i is home from @dpfn with data of @digest.  Caller holds b->lock.
 * Return: false: no; the caller frees the device page.
 */
bool unchanged_keep(struct uhmm *u, struct block *b, unsigned i,
		    struct uhmm_device *dev, uint64_t dpfn,
		    const struct digest *digest);
/*
 * Pages of o->m.set are in their frames and stand still: those that equal their
 * twins have arrived with it, and join o->done.
 */
void unchanged_match(struct out *o);
/* Give up all twins on @dev. */
void unchanged_end_all(struct uhmm *u, struct uhmm_device *dev);
/* Likewise if @dev is short of room, or has none for @npages more. */
void unchanged_make_room(struct uhmm *u, struct uhmm_device *dev,
			 uint64_t npages);
/* The hook uhmm.free_twins. */
void unchanged_free(struct uhmm *u, const uint64_t *words, unsigned n);

#endif
