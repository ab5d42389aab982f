/* SPDX-License-Identifier: MIT */
/*
 * charge.c - how many pages each group has, and how many its limits leave; see
 * charge.h
 *
 * The sum of a group includes the groups below, so that a check of limits reads
 * one sum a group.  The sums of the root are the context's own counters.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/kick.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/page/block.h"
#include "core/page/page.h"

/* ---- Looking up ------------------------------------------------------- */

struct uhmm_group *charge_nth(struct uhmm *u, uint32_t n)
{
	return atomic_load_explicit(&u->charge.group[n], memory_order_acquire);
}

struct uhmm_group *charge_of(struct uhmm *u, const struct block *b)
{
	uint16_t id = atomic_load_explicit(&b->group, memory_order_relaxed);
	struct uhmm_group *g = id ? charge_nth(u, id) : NULL;

	return g ? g : &u->charge.root;
}

bool charge_covers(const struct uhmm_group *g, const struct block *b)
{
	const struct uhmm_group *at;

	if (group_is_root(g))
		return true;
	for (at = charge_of(g->u, b); at; at = at->parent)
		if (at == g)
			return true;
	return false;
}

/* ---- Sums ------------------------------------------------------------- */

static uint64_t positive(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

/* For the root: device pages in use, but those of P_CLEAN pages and twins. */
static uint64_t root_pages_on(struct uhmm *u, unsigned id)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	struct uhmm_device *dev = device_get(u, id);
	int64_t n = dev ? (int64_t)atomic_load(&dev->pagemap.nused) -
				    atomic_load(&dev->twins) :
			  0;

	for (uint32_t k = 0; n && k < nr; k++) {
		struct block *b = u->blocks[k];

		block_lock(b);
		for (unsigned i = 0; b->nr[P_CLEAN] && i < MM_BLOCK_PAGES; i++)
			n -= page_state(b->table[i]) == P_CLEAN &&
			     page_dev(b->table[i]) == id;
		block_unlock(u, b);
	}
	return positive(n);
}

uint64_t charge_pages(const struct uhmm_group *g, unsigned tier)
{
	struct uhmm *u = g->u;

	if (!group_is_root(g))
		return positive(atomic_load(&g->tier[tier].pages));
	if (tier)
		return root_pages_on(u, tier);
	if (u->charge.keep) /* the limit is for pages, not for our frames */
		return positive(atomic_load(&u->ram));
	return positive(atomic_load(&u->ram)) + slot_idle_pages(&u->slots);
}

uint64_t charge_all(const struct uhmm_group *g)
{
	int64_t away = group_is_root(g) ? atomic_load(&g->u->on_device) :
					  atomic_load(&g->away);

	return charge_pages(g, 0) + positive(away);
}

/* Add the device pages that @b has summed up, of one device, to its groups. */
static void flush_device(struct uhmm *u, struct block *b)
{
	struct uhmm_group *g;

	for (g = charge_of(u, b); !group_is_root(g) && b->on_delta;
	     g = g->parent)
		atomic_fetch_add_explicit(&g->tier[b->on_dev].pages,
					  b->on_delta, memory_order_relaxed);
	b->on_delta = 0;
}

void charge_note(struct uhmm_group *g, int pages)
{
	uint64_t limit =
		atomic_load_explicit(&g->tier[0].limit, memory_order_relaxed);
	uint64_t now;

	if (!limit || pages <= 0)
		return;
	now = charge_all(g);
	if (now <= limit || now - (uint64_t)pages > limit)
		return;
	count_add(&g->tier[0].exceeded, 1);
	if (group_is_root(g))
		count_add(&g->u->count.limit_exceeded, 1);
}

/* charge=tier: wake the demoter if @g is near its limit. */
static void note_near(struct uhmm_group *g)
{
	uint64_t limit =
		atomic_load_explicit(&g->tier[0].limit, memory_order_relaxed);

	if (limit && charge_pages(g, 0) + limit / 32 > limit)
		policy_kick(g->u);
}

void charge_flush(struct uhmm *u, struct block *b, int ram, int away)
{
	struct uhmm_group *g;

	flush_device(u, b);
	if (!ram && !away)
		return;
	for (g = charge_of(u, b); !group_is_root(g); g = g->parent) {
		atomic_fetch_add_explicit(&g->tier[0].pages, ram,
					  memory_order_relaxed);
		atomic_fetch_add_explicit(&g->away, away, memory_order_relaxed);
		if (u->charge.keep)
			charge_note(g, ram + away);
		else if (ram > 0)
			note_near(g);
	}
}

/* ---- Limits ----------------------------------------------------------- */

bool charge_is_limited(struct uhmm *u, const struct block *b, unsigned tier)
{
	for (struct uhmm_group *g = charge_of(u, b); g; g = g->parent)
		if (atomic_load_explicit(&g->tier[tier].limit,
					 memory_order_relaxed))
			return true;
	return false;
}

uint64_t charge_room(struct uhmm *u, const struct block *b)
{
	uint64_t least = UINT64_MAX;

	if (!u->charge.keep)
		return least;
	for (struct uhmm_group *g = charge_of(u, b); g; g = g->parent) {
		uint64_t limit = atomic_load(&g->tier[0].limit);
		uint64_t all = limit ? charge_all(g) : 0;
		uint64_t room = all < limit ? limit - all : 0;

		if (limit && room < least)
			least = room;
	}
	return least;
}

static uint64_t root_room(const struct uhmm_device *dev)
{
	const struct charge_tier *t = &dev->u->charge.root.tier[dev->id];
	uint64_t limit = atomic_load(&t->limit);
	uint64_t used = atomic_load(&dev->pagemap.nused);

	if (!limit)
		return UINT64_MAX;
	return used < limit ? limit - used : 0;
}

struct uhmm_group *charge_full(struct uhmm *u, const struct block *b,
			       const struct uhmm_device *dev)
{
	struct uhmm_group *g;

	for (g = charge_of(u, b); !group_is_root(g); g = g->parent) {
		struct charge_tier *t = &g->tier[dev->id];
		uint64_t limit = atomic_load(&t->limit);

		if (limit && positive(atomic_load(&t->pages)) >= limit)
			return g;
	}
	return root_room(dev) > 0 ? NULL : g;
}

bool charge_has_room(struct uhmm *u, const struct block *b,
		     const struct uhmm_device *dev)
{
	return !charge_full(u, b, dev);
}

/* ---- Booking ---------------------------------------------------------- */

static unsigned book_one(struct charge_tier *t, unsigned n)
{
	uint64_t limit = atomic_load(&t->limit);
	uint64_t had = positive(atomic_fetch_add(&t->pages, n));
	unsigned got = n;

	if (limit && had + n > limit) {
		got = had < limit ? (unsigned)(limit - had) : 0;
		atomic_fetch_sub(&t->pages, n - got);
		count_add(&t->exceeded, 1);
	}
	return got;
}

/* From the groups @g up to, and without, @end. */
static void unbook(struct uhmm_group *g, const struct uhmm_group *end,
		   unsigned id, unsigned n)
{
	for (; g != end; g = g->parent)
		atomic_fetch_sub(&g->tier[id].pages, n);
}

static unsigned book(struct uhmm_group *g, unsigned id, unsigned n)
{
	for (struct uhmm_group *at = g; !group_is_root(at); at = at->parent) {
		unsigned got = book_one(&at->tier[id], n);

		unbook(g, at, id, n - got);
		n = got;
	}
	return n;
}

/*
 * If two threads pass the limit at once, both may get fewer pages than are
 * left.
 */
static unsigned alloc_within(struct uhmm_device *dev, unsigned n, uint64_t *ret)
{
	struct charge_tier *t = &dev->u->charge.root.tier[dev->id];
	uint64_t limit = atomic_load(&t->limit), used;
	uint64_t room = root_room(dev);
	unsigned want = n < room ? n : (unsigned)room;

	want = pagemap_alloc(&dev->pagemap, want, ret);
	used = atomic_load(&dev->pagemap.nused);
	for (; limit && want && used > limit; used--)
		pagemap_free(&dev->pagemap, ret[--want], 1);
	if (n > room)
		count_add(&t->exceeded, 1);
	return want;
}

unsigned charge_alloc(struct uhmm *u, const struct block *b,
		      struct uhmm_device *dev, unsigned n, uint64_t *ret,
		      struct booking *bk)
{
	unsigned got;

	bk->group = charge_of(u, b);
	bk->pages = book(bk->group, dev->id, n);
	got = alloc_within(dev, bk->pages, ret);
	unbook(bk->group, &u->charge.root, dev->id, bk->pages - got);
	bk->pages = got;
	return got;
}

void charge_booked(const struct uhmm_device *dev, struct booking *bk)
{
	if (bk->pages)
		unbook(bk->group, &dev->u->charge.root, dev->id, bk->pages);
	bk->pages = 0;
}

void charge_device_gone(struct uhmm *u, unsigned id)
{
	for (uint32_t n = 0; n < atomic_load(&u->charge.end); n++) {
		struct uhmm_group *g = charge_nth(u, n);

		if (!g)
			continue;
		atomic_store(&g->tier[id].limit, 0);
		atomic_store(&g->tier[id].exceeded, 0);
	}
}
