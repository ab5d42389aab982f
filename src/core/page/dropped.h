/* SPDX-License-Identifier: MIT */
/* dropped.h - pages that the application discarded: dropped.c */
#ifndef UHMM_PAGE_DROPPED_H
#define UHMM_PAGE_DROPPED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/lock.h"

struct block;
struct mm_set;
struct uhmm;

#define DROPPED_RANGES 32

/* Addresses of which some were discarded; @when: the last time */
struct dropped_range {
	uintptr_t start, end;
	uint64_t when; /* ns */
};

/*
 * @any: discarded pages exist that may be in use again
 * @looked_ns: when the demoter last looked at them; only the demoter uses it
 * @unknown: @range has entries
 * @range: discards where no table could record them; under @lock
 */
struct dropped {
	_Atomic bool any;
	uint64_t looked_ns;
	_Atomic bool unknown;
	struct sys_mutex lock;
	struct dropped_range range[DROPPED_RANGES];
};

/* The word of a page that is discarded now. */
uint64_t dropped_word(void);
/*
 * Find out what became of the discarded pages of @want.  Return: false when a
 * page is there that may yet go.  Caller holds b->lock.
 */
bool dropped_settle(struct uhmm *u, struct block *b, const struct mm_set *want);
/* Wait until no page of @want may go any more, about a second.  Unlocked. */
void dropped_wait(struct uhmm *u, struct block *b, const struct mm_set *want);
/*
 * Record a discard where no table, perhaps no block exists.  Call before
 * looking for blocks, or with a block's lock held.
 */
void dropped_remember(struct uhmm *u, uintptr_t start, uintptr_t end);
/* Enter the recorded discards in a new table.  Caller holds b->lock. */
void dropped_recall(struct uhmm *u, struct block *b);
/* Pages were discarded: where RAM is counted, have the demoter look soon. */
void dropped_note(struct uhmm *u);
/*
 * Count pages that are in use again; the demoter calls this.  Return: ns until
 * the next look.
 */
uint64_t dropped_look(struct uhmm *u);

#endif
