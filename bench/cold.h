/* SPDX-License-Identifier: MIT */
/*
 * cold.h - which pages in RAM are cold, as far as faults can tell.
 *
 * DOC: What is known
 *
 * A page in RAM is seen when it comes, and when it is touched while it is
 * parked.  Its *stamp* says when it was seen last.  The clock of the stamps
 * counts pages that are seen: 16 units are as many as there are pages in RAM.
 * A page that left keeps its stamp: when it comes back, that says how long ago
 * it was in use.
 *
 * DOC: Two lists
 *
 * A page that comes is *new*.  It becomes *used* when it is seen again, while
 * there is room for used pages, or sooner than the used page that was not seen
 * for longest: so a scan, or a loop that is larger than RAM, passes through the
 * new pages and leaves the used ones alone.  Of each list the pages that were
 * not seen for longest are parked; those that stay untouched leave.
 *
 * The *share* of the new pages follows the touches of parked pages: the list
 * with more touches for each page that is parked grows at the other's cost.
 * Where pages come back and no parked page is touched, used pages gain.
 *
 * DOC: Callers
 *
 * A proposal: the library does not use it yet.  It sees what the library sees,
 * faults and touches of parked pages.  In the library the thread that changes a
 * page's word would call cold_came() and the like, under the block's lock, as
 * these neither allocate nor wait.  cold_step() would be the demoter's.  This
 * file knows no block, no lock and no backend.
 */
#ifndef UHMM_BENCH_COLD_H
#define UHMM_BENCH_COLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mm/set.h"

#define COLD_QUEUE (1u << 14) /* entries; a power of two */

enum cold_list {
	COLD_NEW,
	COLD_USED,
	COLD_LISTS,
};

/* Of a block.  @stamp: 0: was never seen.  @used: pages in RAM that are used */
struct cold_pages {
	uint8_t stamp[MM_BLOCK_PAGES];
	struct mm_set used;
};

/* A block has this to add to struct cold. */
struct cold_sum {
	int16_t used, parked[COLD_LISTS];
	uint16_t touched[COLD_LISTS], came, back;
};

/* Parked pages of a block with one stamp, oldest first: a ring. */
struct cold_queue {
	uint64_t entry[COLD_QUEUE];
	uint32_t head, len;
};

/* How far parking got, in all blocks or in those of one group. */
struct cold_hand {
	uint32_t next[COLD_LISTS]; /* older pages are parked, or cannot be */
	uint32_t block;
};

/*
 * @now: the clock, in units; @ticks: pages seen in this unit
 * @touched, @came, @back: since ever; @back: came that had left before
 * @most_used: how many pages may be used; the demoter's word
 * @oldest: units since the used page was seen that was not for longest
 * "demoter": only the demoter reads and writes
 */
struct cold {
	_Atomic uint32_t now, ticks;
	_Atomic int64_t used, parked[COLD_LISTS];
	_Atomic uint64_t touched[COLD_LISTS], came, back;
	_Atomic int64_t most_used;
	_Atomic uint32_t oldest;
	struct cold_queue *queue; /* COLD_LISTS of them: demoter */
	uint32_t share;		  /* of the new pages, 1/SHARES: demoter */
	uint64_t last_touched[COLD_LISTS], last_came, last_back; /* demoter */
};

/*
 * struct cold_ops - what cold_step() asks of its user
 * @nr_blocks: blocks have the numbers below that
 * @covers: is it @block's turn to give pages?
 * @park: park pages of @list with @stamp in @block, and restamp those that
 *	  cannot be.  *@ret_freed: pages that left RAM at once, -1: again, pages
 *	  were restamped that may go later.  Return: pages parked
 * @evict: send away parked pages of @list with @stamp, at most @most.  Return:
 *	   pages that left
 * @left: how many such pages are there still?
 */
struct cold_ops {
	uint32_t (*nr_blocks)(void *priv);
	bool (*covers)(void *priv, uint32_t block);
	unsigned (*park)(void *priv, uint32_t block, enum cold_list list,
			 uint8_t stamp, int *ret_freed);
	unsigned (*evict)(void *priv, uint32_t block, enum cold_list list,
			  uint8_t stamp, unsigned most);
	unsigned (*left)(void *priv, uint32_t block, enum cold_list list,
			 uint8_t stamp);
};

/* @queue: COLD_LISTS of them, zeroed. */
void cold_init(struct cold *c, struct cold_queue *queue);

/* ---- Pages that are seen.  Caller holds the block's lock ---- */

/* @was_away: the page was in RAM before, and left. */
void cold_came(struct cold *c, struct cold_pages *p, struct cold_sum *s,
	       unsigned i, bool was_away);
/* Page @i was parked, or about to leave, and was touched. */
void cold_touched(struct cold *c, struct cold_pages *p, struct cold_sum *s,
		  unsigned i);
/* Page @i left RAM; @is_away: and may come back. */
void cold_left(struct cold_pages *p, struct cold_sum *s, unsigned i,
	       bool is_away);
/* Page @i is parked now (@by 1), or no more (-1). */
void cold_count_parked(const struct cold_pages *p, struct cold_sum *s,
		       unsigned i, int by);
/* Page @i cannot go now. */
void cold_restamp(struct cold *c, struct cold_pages *p, unsigned i);
/* Add @s, and clear it.  @ram: pages in RAM */
void cold_flush(struct cold *c, struct cold_sum *s, uint64_t ram);

/* Pages of @list with @stamp. */
void cold_select(const struct cold_pages *p, enum cold_list list, uint8_t stamp,
		 struct mm_set *ret);

/* ---- The demoter ---- */

/*
 * Park pages, or let the oldest parked ones leave.  @ram: pages in RAM.
 * Return: pages that left; -EAGAIN: pages were parked; 0: nothing is left to do
 */
int cold_step(struct cold *c, struct cold_hand *hand,
	      const struct cold_ops *ops, void *priv, uint64_t ram);

#endif
