/* SPDX-License-Identifier: MIT */
/*
 * slot.c - the frame pool: slots, and the memory that rests in them.
 *
 * A slot is 2 MiB of the backend's addresses, and takes the frozen pages of one
 * block, each at its own offset.  So a whole block can move as one huge page,
 * and no map from page to frame is needed.  After a move the frames keep their
 * memory (the slot's stock): a copy home into them needs no page from the
 * kernel, which is half of the copy's cost.  The pool hands out slots first in,
 * first out.  The memory in the pool is bounded, and slot_trim() gives it back.
 * A slot with a few pages only takes more pages at other offsets, so that moves
 * of single pages neither use up the slots nor need a page table each.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/page/slot.h"

#define SHARE	   8  /* of the address space */
#define THIN_STOCK 64 /* fewer pages are of no use to a copy home */

/*
 * Where RLIMIT_AS or RLIMIT_DATA counts addresses or private memory, slots get
 * the smaller part of that limit, and the program most of it.
 */
uint32_t slot_most(void)
{
	uint64_t nr = sys_address_limit() / SHARE / MM_BLOCK_SIZE;

	if (nr < MIN_SLOTS)
		return MIN_SLOTS;
	return nr < MAX_SLOTS ? (uint32_t)nr : MAX_SLOTS;
}

int slot_init(struct uhmm *u, uint64_t limit)
{
	struct slot_pool *p = &u->slots;

	sys_mutex_set_rank(&p->lock, RANK_LEAF);
	p->limit = p->most = limit;
	p->base = u->mm->ops->slots(u->mm, p->nr);
	p->slots = sys_alloc(p->nr * sizeof(struct slot));
	return p->base && p->slots ? 0 : -ENOMEM;
}

void slot_destroy(struct uhmm *u)
{
	sys_free(u->slots.slots, u->slots.nr * sizeof(struct slot));
}

uintptr_t slot_va(struct uhmm *u, uint32_t slot)
{
	return u->slots.base + slot * MM_BLOCK_SIZE;
}

struct slot *slot_of(struct uhmm *u, uint32_t slot)
{
	return &u->slots.slots[slot];
}

/* A slot has one owner: the pool, or the block or mover that took the slot. */
static void note_rests(struct slot_pool *p, uint32_t slot, bool rests)
{
#if DEBUG_CHECKS
	debug_check(p->slots[slot].rests != rests,
		    rests ? "slot %u is given back twice" :
			    "slot %u is in the pool and not at rest",
		    slot);
	p->slots[slot].rests = rests;
#else
	(void)p;
	(void)slot;
	(void)rests;
#endif
}

static void list_add(struct slot_pool *p, struct slot_list *l, uint32_t slot)
{
	note_rests(p, slot, true);
	p->slots[slot].next = 0;
	if (l->tail)
		p->slots[l->tail - 1].next = slot + 1;
	else
		l->head = slot + 1;
	l->tail = slot + 1;
	l->len++;
}

/* The oldest slot + 1, or 0. */
static uint32_t list_take(struct slot_pool *p, struct slot_list *l)
{
	uint32_t slot = l->head;

	if (!slot)
		return 0;
	note_rests(p, slot - 1, false);
	l->head = p->slots[slot - 1].next;
	if (!l->head)
		l->tail = 0;
	l->len--;
	return slot;
}

static uint32_t take_bare(struct slot_pool *p)
{
	uint32_t slot = list_take(p, &p->bare);

	if (!slot && p->nr_used < p->nr)
		slot = ++p->nr_used;
	return slot;
}

/*
 * A slot without stock; if there is none, the oldest of those with the least.
 */
static uint32_t take_any(struct slot_pool *p)
{
	uint32_t slot = take_bare(p);

	if (!slot)
		slot = list_take(p, &p->thin);
	if (!slot)
		slot = list_take(p, &p->stocked[0]);
	if (!slot)
		slot = list_take(p, &p->stocked[1]);
	return slot;
}

/* How many of the wanted offsets hold memory already. */
static unsigned fit(const struct slot *s, const struct mm_set *want)
{
	struct mm_set both = set_and(&s->stock, want);

	return set_count(&both);
}

/*
 * A slot with stock that serves @want.  Looks at the oldest few only: a bad fit
 * costs time and breaks nothing.
 */
static uint32_t take_stocked(struct slot_pool *p, const struct mm_set *want,
			     bool huge)
{
	struct slot_list *l = &p->stocked[huge];
	unsigned need = set_count(want);

	for (uint32_t tries = l->len < 8 ? l->len : 8; tries; tries--) {
		uint32_t slot = list_take(p, l);

		if (fit(&p->slots[slot - 1], want) * 2 >= need)
			return slot;
		list_add(p, l, slot - 1);
	}
	return 0;
}

/* One call for all runs, over the gaps too: each call flushes the TLB. */
static void drop_stock(struct uhmm *u, uint32_t slot)
{
	struct slot *s = &u->slots.slots[slot];
	unsigned from = set_find(&s->stock, 0, true), to = from;

	set_for_each_run(&s->stock, first, last)
		to = last;
	if (to > from)
		u->mm->ops->drop(u->mm, slot_va(u, slot) + from * MM_PAGE_SIZE,
				 to - from);
	set_clear(&s->stock);
	s->nr_stock = 0;
	s->huge = false;
}

/* Replace the mapping that arrived from elsewhere by ordinary slot memory. */
static void renew(struct uhmm *u, uint32_t slot)
{
	struct slot *s = &u->slots.slots[slot];

	u->mm->ops->drop(u->mm, slot_va(u, slot), MM_BLOCK_PAGES);
	set_clear(&s->stock);
	s->huge = false;
	s->stashed = false;
}

/* Account for @slot, which has just left the pool. */
static void note_slot_taken(struct slot_pool *p, uint32_t slot)
{
	if (slot)
		atomic_fetch_sub(&p->pages, p->slots[slot - 1].nr_stock);
}

uint32_t slot_get(struct uhmm *u, const struct mm_set *want)
{
	struct slot_pool *p = &u->slots;
	uint32_t slot;

	sys_mutex_lock(&p->lock);
	slot = take_stocked(p, want, false);
	if (!slot)
		slot = take_any(p);
	note_slot_taken(p, slot);
	sys_mutex_unlock(&p->lock);
	return slot ? slot - 1 : NO_SLOT;
}

static bool enlarge(struct uhmm *u, uint32_t slot)
{
	const struct mm_ops *ops = u->mm->ops;

	return ops->enlarge && ops->enlarge(u->mm, slot_va(u, slot));
}

/*
 * A slot that holds a huge page.  If the pool has none, ask the kernel for one.
 */
uint32_t slot_get_huge(struct uhmm *u)
{
	struct slot_pool *p = &u->slots;
	struct mm_set all;
	uint32_t slot;
	bool is_bare;

	set_clear(&all);
	set_add_run(&all, 0, MM_BLOCK_PAGES);
	sys_mutex_lock(&p->lock);
	slot = take_stocked(p, &all, true);
	is_bare = !slot;
	if (is_bare)
		slot = take_bare(p);
	note_slot_taken(p, slot);
	sys_mutex_unlock(&p->lock);
	if (!slot)
		return NO_SLOT;
	if (is_bare && !enlarge(u, slot - 1)) {
		slot_put(u, slot - 1);
		return NO_SLOT;
	}
	slot_of(u, slot - 1)->stock = all;
	slot_of(u, slot - 1)->huge = true;
	return slot - 1;
}

/* A thin slot without memory at the offsets of @want; looks at a few only. */
static uint32_t take_thin(struct slot_pool *p, const struct mm_set *want)
{
	uint32_t tries = p->thin.len < 4 ? p->thin.len : 4;

	for (; tries; tries--) {
		uint32_t slot = list_take(p, &p->thin);

		if (!fit(&p->slots[slot - 1], want))
			return slot;
		list_add(p, &p->thin, slot - 1);
	}
	return 0;
}

uint32_t slot_get_empty(struct uhmm *u, const struct mm_set *want)
{
	struct slot_pool *p = &u->slots;
	uint32_t slot;

	sys_mutex_lock(&p->lock);
	slot = set_full(want) ? 0 : take_thin(p, want);
	if (!slot)
		slot = take_any(p);
	note_slot_taken(p, slot);
	sys_mutex_unlock(&p->lock);
	if (slot && fit(&p->slots[slot - 1], want))
		drop_stock(u, slot - 1);
	return slot ? slot - 1 : NO_SLOT;
}

static bool may_keep(struct uhmm *u, unsigned n)
{
	return !(u->flags & UHMM_OPEN_NO_RECYCLE) &&
	       atomic_load(&u->slots.pages) + n <= u->slots.limit;
}

static struct slot_list *list_for(struct slot_pool *p, const struct slot *s)
{
	if (!s->nr_stock)
		return &p->bare;
	if (s->nr_stock < THIN_STOCK)
		return &p->thin;
	return &p->stocked[s->huge];
}

static void put_locked(struct slot_pool *p, uint32_t slot)
{
	struct slot *s = &p->slots[slot];

	list_add(p, list_for(p, s), slot);
	atomic_fetch_add(&p->pages, s->nr_stock);
}

/*
 * Return @slot to the pool; the data in its frames are not needed any more.  If
 * the pool is full and @slot has little stock, the oldest slot is emptied for
 * it.
 */
void slot_put(struct uhmm *u, uint32_t slot)
{
	struct slot_pool *p = &u->slots;
	struct slot *s = &p->slots[slot];

	if (s->stashed)
		renew(u, slot);
	s->nr_stock = set_count(&s->stock);
	s->huge = s->huge && s->nr_stock == MM_BLOCK_PAGES;
	if (s->nr_stock < THIN_STOCK && !may_keep(u, s->nr_stock) &&
	    s->nr_stock <= p->limit)
		slot_trim(u, p->limit - s->nr_stock);
	if (s->nr_stock && !may_keep(u, s->nr_stock))
		drop_stock(u, slot);
	sys_mutex_lock(&p->lock);
	put_locked(p, slot);
	sys_mutex_unlock(&p->lock);
}

void slot_trim(struct uhmm *u, uint64_t pages)
{
	struct slot_pool *p = &u->slots;

	while (atomic_load(&p->pages) > pages) {
		uint32_t slot;

		sys_mutex_lock(&p->lock);
		slot = list_take(p, &p->stocked[0]);
		if (!slot)
			slot = list_take(p, &p->thin);
		if (!slot)
			slot = list_take(p, &p->stocked[1]);
		note_slot_taken(p, slot);
		sys_mutex_unlock(&p->lock);
		if (!slot)
			return;
		drop_stock(u, slot - 1);
		slot_put(u, slot - 1);
	}
}
