/* SPDX-License-Identifier: MIT */
/*
 * block_check.c - invariants of a block, checked at each unlock with
 * -Ddebug_checks=true: the counts are those of the table, and a block with
 * pages in frames has a slot that no other block has.  A page with a twin is in
 * RAM.
 */
#include "core/page/block_check.h"
#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"
#include "core/page/twin.h"

#if DEBUG_CHECKS

struct counts {
	unsigned nr[P_NR_STATES], charged, pinned, in_slot;
};

static void count_word(struct counts *c, uint64_t w)
{
	enum page_state s = page_state(w);

	c->nr[s] += s != P_RAM;
	c->charged += page_in_ram(w);
	c->pinned += page_pins(w) != 0;
	c->in_slot += page_has(w, PAGE_IN_FRAME);
}

static void check_one(const struct block *b, const char *what, unsigned has,
		      unsigned table)
{
	debug_check(has == table,
		    "block %#lx counts %u pages as %s, its table has %u",
		    (unsigned long)b->va, has, what, table);
}

static void check_slot(struct uhmm *u, const struct block *b, unsigned in_slot)
{
	debug_check(!in_slot || b->slot != NO_SLOT,
		    "block %#lx has %u pages in frames, and no slot",
		    (unsigned long)b->va, in_slot);
	debug_check(b->slot == NO_SLOT || !slot_of(u, b->slot)->rests,
		    "the slot of block %#lx rests in the pool",
		    (unsigned long)b->va);
}

void block_check(struct uhmm *u, const struct block *b)
{
	struct counts c = { .charged = 0 };

	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++)
		count_word(&c, b->table[i]);
	for (unsigned s = 0; s < P_NR_STATES; s++)
		check_one(b, page_state_name((enum page_state)s), b->nr[s],
			  c.nr[s]);
	check_one(b, "charged",
		  atomic_load_explicit(&b->nr_charged, memory_order_relaxed),
		  c.charged);
	check_one(b, "pinned", b->nr_pinned, c.pinned);
	check_slot(u, b, c.in_slot);
	for (unsigned i = 0; b->twins && i < MM_BLOCK_PAGES; i++)
		debug_check(!twin_has(b, i) || page_in_ram(block_word(b, i)),
			    "page %u of block %#lx has a twin, and is not RAM",
			    i, (unsigned long)b->va);
}

#endif
