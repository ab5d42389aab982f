/* SPDX-License-Identifier: MIT */
/* dropped.h - pages that the application discarded: dropped.c */
#ifndef UHMM_CORE_DROPPED_H
#define UHMM_CORE_DROPPED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct block;
struct mm_set;
struct uhmm;

/*
 * @any: pages were discarded, and may be there again
 * @looked_ns: when the demoter last looked at them; the demoter's
 */
struct dropped {
	_Atomic bool any;
	uint64_t looked_ns;
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
/* Pages were discarded: where RAM is counted the demoter looks at them soon. */
void dropped_note(struct uhmm *u);
/* The demoter counts what is in use again.  Return: ns until the next look. */
uint64_t dropped_look(struct uhmm *u);

#endif
