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

/* Addresses of which some were discarded, the last time at @when. */
struct dropped_range {
	uintptr_t start, end;
	uint64_t when; /* ns */
};

/*
 * @any: pages were discarded, and may be there again
 * @looked_ns: when the demoter last looked at them; the demoter's
 * @unknown: there are ranges in @range
 * @range: where there was no table that could tell of it; by @lock
 */
struct dropped {
	_Atomic bool any;
	uint64_t looked_ns;
	_Atomic bool unknown;
	struct sys_mutex lock;
	struct dropped_range range[DROPPED_RANGES];
};

/* The word of a page that was discarded a moment ago. */
uint64_t dropped_word(void);
/*
 * Find out what became of those of @want.  Return: false when a page is there
 * that may yet go.  @b is locked.
 */
bool dropped_settle(struct uhmm *u, struct block *b, const struct mm_set *want);
/* Until nothing of @want may go any more, about a second.  Not locked. */
void dropped_wait(struct uhmm *u, struct block *b, const struct mm_set *want);
/*
 * Pages were discarded of which nothing is known: there is no table, perhaps no
 * block.  Called before the caller looks for blocks, or with a block locked.
 */
void dropped_remember(struct uhmm *u, uintptr_t start, uintptr_t end);
/* The block has a new table: enter what was remembered.  It is locked. */
void dropped_recall(struct uhmm *u, struct block *b);
/* Pages were discarded: where RAM is counted the demoter looks at them soon. */
void dropped_note(struct uhmm *u);
/* The demoter counts what is in use again.  Return: ns until the next look. */
uint64_t dropped_look(struct uhmm *u);

#endif
