/* SPDX-License-Identifier: MIT */
/*
 * twin.c - a page in RAM may have a *twin*: the device page that it came home
 * from.
 *
 * The twin has the data that the page had then, and a digest of them.  Nobody
 * looks at writes to the page.  When the page leaves RAM, its digest tells
 * whether the twin is still good (move/unchanged.c).
 *
 * A twin is there as long as its page counts as RAM.  What a word becomes may
 * end it; block_unlock() then gives its device page back, by a hook, since that
 * calls the provider.
 *
 * A block's twins are packed, in the order of their pages, in a table that
 * grows and shrinks by factors of two.  The block's lock protects them.
 */
#include "core/page/twin.h"
#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/page.h"

/*
 * @has: pages that have a twin; @ended: those of them that have none any more
 * @size: the number of the table's size
 */
struct twins {
	struct mm_set has, ended;
	uint16_t nr, nr_ended, size;
	struct twin at[];
};

static unsigned capacity(unsigned size)
{
	return MM_BLOCK_PAGES >> (TWIN_SIZES - 1 - size);
}

void twin_init(struct slab *slabs)
{
	for (unsigned k = 0; k < TWIN_SIZES; k++) {
		slabs[k].size = sizeof(struct twins) +
				capacity(k) * sizeof(struct twin);
		sys_mutex_set_rank(&slabs[k].lock, RANK_LEAF);
	}
}

uint64_t twin_bytes(const struct uhmm *u)
{
	uint64_t bytes = 0;

	for (unsigned k = 0; k < TWIN_SIZES; k++)
		bytes += atomic_load_explicit(&u->twin_slabs[k].bytes,
					      memory_order_relaxed);
	return bytes;
}

/* How many twins come before that of page @i. */
static unsigned twin_place(const struct twins *t, unsigned i)
{
	unsigned n = 0;

	for (unsigned k = 0; k < i / 64; k++)
		n += (unsigned)__builtin_popcountll(t->has.w[k]);
	return n + (unsigned)__builtin_popcountll(
			   t->has.w[i / 64] & ((UINT64_C(1) << i % 64) - 1));
}

/* Put the twins into a table of another size. */
static bool resize(struct uhmm *u, struct block *b, unsigned size)
{
	struct twins *old = b->twins;
	struct twins *t = slab_alloc(&u->twin_slabs[size]);

	if (!t)
		return false;
	if (old)
		memcpy(t, old, sizeof(*t) + old->nr * sizeof(*t->at));
	t->size = (uint16_t)size;
	b->twins = t;
	if (old)
		slab_free(&u->twin_slabs[old->size], old);
	return true;
}

static bool make_place(struct uhmm *u, struct block *b)
{
	const struct twins *t = b->twins;

	if (!t)
		return resize(u, b, 0);
	return t->nr < capacity(t->size) || resize(u, b, t->size + 1u);
}

bool twin_add(struct uhmm *u, struct block *b, unsigned i,
	      const struct twin *twin)
{
	unsigned at;

	if (b->twins && set_has(&b->twins->has, i))
		return false;
	if (!make_place(u, b))
		return false;
	at = twin_place(b->twins, i);
	memmove(b->twins->at + at + 1, b->twins->at + at,
		(b->twins->nr - at) * sizeof(*twin));
	b->twins->at[at] = *twin;
	b->twins->nr++;
	set_add(&b->twins->has, i);
	return true;
}

bool twin_has(const struct block *b, unsigned i)
{
	const struct twins *t = b->twins;

	return t && set_has(&t->has, i) && !set_has(&t->ended, i);
}

const struct twin *twin_of(const struct block *b, unsigned i)
{
	if (!twin_has(b, i))
		return NULL;
	return &b->twins->at[twin_place(b->twins, i)];
}

void twin_end(struct block *b, unsigned i)
{
	if (!twin_has(b, i))
		return;
	set_add(&b->twins->ended, i);
	b->twins->nr_ended++;
}

void twin_follow(struct block *b, unsigned i, uint64_t word)
{
	if (!page_in_ram(word))
		twin_end(b, i);
}

/* Free a table that has become empty, and shrink one that has become large. */
static void shrink(struct uhmm *u, struct block *b)
{
	struct twins *t = b->twins;

	if (!t->nr) {
		b->twins = NULL;
		slab_free(&u->twin_slabs[t->size], t);
	} else if (t->size && t->nr <= capacity(t->size) / 4) {
		resize(u, b, t->size - 1u);
	}
}

static void remove_at(struct twins *t, unsigned i)
{
	unsigned at = twin_place(t, i);

	t->nr--;
	memmove(t->at + at, t->at + at + 1, (t->nr - at) * sizeof(*t->at));
	set_del(&t->has, i);
}

void twin_take(struct uhmm *u, struct block *b, unsigned i)
{
	remove_at(b->twins, i);
	shrink(u, b);
}

void twin_end_on(struct block *b, unsigned id, uint64_t first, uint64_t last)
{
	if (!b->twins)
		return;
	set_for_each(&b->twins->has, i) {
		const struct twin *t = twin_of(b, i);

		if (t && page_dev(t->word) == id &&
		    page_dpfn(t->word) >= first && page_dpfn(t->word) < last)
			twin_end(b, i);
	}
}

unsigned twin_take_ended(struct uhmm *u, struct block *b, uint64_t *ret)
{
	struct twins *t = b->twins;
	unsigned from = 0, to = 0, n = 0;

	if (!t || !t->nr_ended)
		return 0;
	set_for_each(&t->has, i) {
		if (set_has(&t->ended, i))
			ret[n++] = t->at[from].word;
		else
			t->at[to++] = t->at[from];
		from++;
	}
	t->has = set_minus(&t->has, &t->ended);
	set_clear(&t->ended);
	t->nr = (uint16_t)to;
	t->nr_ended = 0;
	shrink(u, b);
	return n;
}
