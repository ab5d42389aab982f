// SPDX-License-Identifier: MIT
/*
 * A trace against the decisions of cold.c.
 *
 * The pages of a trace are those of blocks, and have three states besides none:
 * in RAM, parked and away.  A touch in RAM is not seen; one of a parked page is
 * a soft fault, any other a fault.  Pages leave when a fault needs room.
 */
#include <stdlib.h>

#include "cold.h"
#include "harness.h"
#include "trace.h"

enum where {
	NOWHERE,
	IN_RAM,
	PARKED,
	AWAY
};

struct player {
	struct cold cold;
	struct cold_hand hand;
	struct cold_pages *pages; /* of each block */
	uint8_t *where;		  /* of each page */
	uint32_t nr_blocks, ram;
	struct cold_sum sum;
	struct replay result;
};

static uint32_t play_nr_blocks(void *priv)
{
	const struct player *p = priv;

	return p->nr_blocks;
}

static bool play_covers(void *priv, uint32_t block)
{
	(void)priv;
	(void)block;
	return true;
}

/* Pages of @list with @stamp that are @where. */
static unsigned pages_there(struct player *p, uint32_t block,
			    enum cold_list list, uint8_t stamp,
			    enum where where, struct mm_set *ret)
{
	cold_select(&p->pages[block], list, stamp, ret);
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (p->where[block * MM_BLOCK_PAGES + i] != where)
			set_del(ret, i);
	return set_count(ret);
}

static unsigned play_left(void *priv, uint32_t block, enum cold_list list,
			  uint8_t stamp)
{
	struct mm_set set;

	return pages_there(priv, block, list, stamp, PARKED, &set);
}

static unsigned play_park(void *priv, uint32_t block, enum cold_list list,
			  uint8_t stamp, int *ret_freed)
{
	struct player *p = priv;
	struct mm_set set;
	unsigned n = pages_there(p, block, list, stamp, IN_RAM, &set);

	for (unsigned i = 0; n && i < MM_BLOCK_PAGES; i++) {
		if (!set_has(&set, i))
			continue;
		p->where[block * MM_BLOCK_PAGES + i] = PARKED;
		cold_count_parked(&p->pages[block], &p->sum, i, 1);
	}
	cold_flush(&p->cold, &p->sum, p->ram);
	return n;
}

static void page_leaves(struct player *p, uint32_t page, bool is_away)
{
	struct cold_pages *b = &p->pages[page / MM_BLOCK_PAGES];
	unsigned i = page % MM_BLOCK_PAGES;

	if (p->where[page] == PARKED)
		cold_count_parked(b, &p->sum, i, -1);
	if (p->where[page] == PARKED || p->where[page] == IN_RAM)
		p->ram--;
	cold_left(b, &p->sum, i, is_away);
	p->where[page] = is_away ? AWAY : NOWHERE;
}

static unsigned play_evict(void *priv, uint32_t block, enum cold_list list,
			   uint8_t stamp, unsigned most)
{
	struct player *p = priv;
	struct mm_set set;
	unsigned n = 0;

	pages_there(p, block, list, stamp, PARKED, &set);
	for (unsigned i = 0; i < MM_BLOCK_PAGES && n < most; i++) {
		if (!set_has(&set, i))
			continue;
		page_leaves(p, block * MM_BLOCK_PAGES + i, true);
		n++;
	}
	cold_flush(&p->cold, &p->sum, p->ram);
	return n;
}

static const struct cold_ops play_ops = {
	.nr_blocks = play_nr_blocks,
	.covers = play_covers,
	.park = play_park,
	.evict = play_evict,
	.left = play_left,
};

static void fault(struct player *p, uint32_t page, uint32_t ram)
{
	struct cold_pages *b = &p->pages[page / MM_BLOCK_PAGES];
	unsigned i = page % MM_BLOCK_PAGES;

	while (p->ram >= ram &&
	       cold_step(&p->cold, &p->hand, &play_ops, p, p->ram))
		;
	p->result.faults++;
	cold_came(&p->cold, b, &p->sum, i, p->where[page] == AWAY);
	p->where[page] = IN_RAM;
	p->ram++;
}

static void soft_fault(struct player *p, uint32_t page)
{
	struct cold_pages *b = &p->pages[page / MM_BLOCK_PAGES];
	unsigned i = page % MM_BLOCK_PAGES;

	p->result.soft++;
	cold_count_parked(b, &p->sum, i, -1);
	cold_touched(&p->cold, b, &p->sum, i);
	p->where[page] = IN_RAM;
}

static void play_all(struct player *p, const struct trace *t, uint32_t ram)
{
	for (size_t i = 0; i < t->len; i++) {
		uint32_t page = trace_page(t, i);

		if (trace_frees(t, i))
			page_leaves(p, page, false);
		else if (p->where[page] == PARKED)
			soft_fault(p, page);
		else if (p->where[page] != IN_RAM)
			fault(p, page, ram);
		cold_flush(&p->cold, &p->sum, p->ram);
	}
}

struct replay replay_cold(const struct trace *t, uint32_t ram)
{
	struct player *p = calloc(1, sizeof(*p));
	struct cold_queue *queues = calloc(COLD_LISTS, sizeof(*queues));
	struct replay ret = { .faults = 0 };

	if (!p || !queues)
		bench_die("calloc", 12);
	cold_init(&p->cold, queues);
	p->nr_blocks = t->npages / MM_BLOCK_PAGES;
	p->pages = calloc(p->nr_blocks, sizeof(*p->pages));
	p->where = calloc(t->npages, sizeof(*p->where));
	if (p->pages && p->where)
		play_all(p, t, ram);
	ret = p->result;
	free(p->pages);
	free(p->where);
	free(queues);
	free(p);
	return ret;
}
