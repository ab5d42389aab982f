/* SPDX-License-Identifier: MIT */
/* event.h - what the events of event.c and remap.c share. */
#ifndef UHMM_FAULT_EVENT_H
#define UHMM_FAULT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <uhmm/mirror.h>

#include "core/page/block.h"
#include "core/page/page.h"
#include "mm/set.h"
#include "sys/guard.h"

struct uhmm;

/* Does the page have a device page that no mover is at work on? */
static inline bool event_owns_dpfn(uint64_t w)
{
	return page_has(w, PAGE_OWNS_DPFN) || w & PAGE_AWAY;
}

/*
 * Page @i is unmapped, or has moved away.  The mover decides on a P_STASHING
 * page: its frame may hold a page that mremap moved over this one.  Caller
 * holds the block's lock.
 */
void event_forget_page(struct uhmm *u, struct block *b, unsigned i);

typedef void event_block_fn(struct uhmm *u, struct block *b, unsigned first,
			    unsigned last);
/* Call @fn for the part of [start, end) in each block that exists. */
void event_each_block(struct uhmm *u, uintptr_t start, uintptr_t end,
		      event_block_fn *fn);

/*
 * Lock the block.  Devices that have pages of it to themselves are told before,
 * and write to none of their frames any more: a frame with old data may soon be
 * used for another page.  @mine: the pages that this event has revoked so far.
 */
void event_lock_revoked(struct uhmm *u, struct block *b, unsigned first,
			unsigned last, enum uhmm_notify why,
			struct mm_set *mine) TAKES(b->lock);

#endif
