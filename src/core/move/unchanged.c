/* SPDX-License-Identifier: MIT */
/*
 * unchanged.c - pages that leave RAM with the data they came with go without a
 * copy.
 *
 * A page that comes home for a read, and cannot be P_CLEAN because writes would
 * go unseen, keeps its device page as its twin (page/twin.c), with a digest of
 * the data.  When it leaves for that device again, and the digest of its frame
 * is the same, the twin becomes its device page.  Else it is copied, as any
 * other, and the twin is freed.
 *
 * This is for devices to which a copy costs much more than two digests
 * (UHMM_DEVICE_SLOW_WRITES), under a limit on RAM.  Twins take room on the
 * device that nothing else needs: they are given up when it runs short.
 */
#include "core/move/unchanged.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/move/out_steps.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/twin.h"

#define ENOUGH 4 /* of a device: room, for more twins */
#define SHORT  8 /* less of it, and twins are given up */

#define CHANGE_COSTS 4 /* pages without a twin for each that had changed */
#define MOST_WORTH   16
#define LEAST_WORTH  -64

/* ---- Home --------------------------------------------------------------- */

static bool has_room_for_twins(const struct uhmm_device *dev)
{
	return pagemap_room(&dev->pagemap) > dev->pagemap.npages / ENOUGH;
}

/* Where pages are read and then written, twins cost digests for nothing. */
static bool is_worth_it(struct block *b)
{
	if (b->unchanged < 0)
		b->unchanged++;
	return b->unchanged >= 0;
}

/* A page of @b left, and its twin was good or not.  Caller holds b->lock. */
static void note_match(struct block *b, bool equal)
{
	int now = b->unchanged + (equal ? 1 : -CHANGE_COSTS);

	now = now > MOST_WORTH ? MOST_WORTH : now;
	b->unchanged = (int8_t)(now < LEAST_WORTH ? LEAST_WORTH : now);
}

bool unchanged_wanted(struct uhmm *u, struct block *b,
		      const struct uhmm_device *dev)
{
	return dev->desc.flags & UHMM_DEVICE_SLOW_WRITES && !block_file(b) &&
	       u->digest_key.is_made && !u->charge.keep &&
	       charge_is_limited(u, b, 0) &&
	       !charge_is_limited(u, b, dev->id) && has_room_for_twins(dev) &&
	       charge_affords_copy(dev) && is_worth_it(b);
}

/*
 * The device may have been closed or lost since unchanged_wanted().  The walks
 * that follow that look for twins under the block's lock.
 */
bool unchanged_keep(struct uhmm *u, struct block *b, unsigned i,
		    struct uhmm_device *dev, uint64_t dpfn,
		    const struct digest *digest)
{
	struct twin t = { page_on_device(P_DEVICE, dev->id, dpfn), *digest };

	if (!page_in_ram(block_word(b, i)) || dev->pagemap.closed ||
	    device_has_lost(dev, dpfn) || !twin_add(u, b, i, &t))
		return false;
	atomic_fetch_add(&dev->twins, 1);
	return true;
}

/* ---- Out ---------------------------------------------------------------- */

/* Pages of @o that have a twin on its device, a part of them. */
struct match {
	struct out *o;
	unsigned n;
	uint16_t page[UNCHANGED_RUN];
	struct twin twin[UNCHANGED_RUN];
	bool equal[UNCHANGED_RUN];
	uint64_t unused[UNCHANGED_RUN];
	unsigned nr_unused;
};

/* From page @i on.  Return: where to go on. */
static unsigned find_twins(struct match *m, unsigned i)
{
	struct block *b = m->o->m.b;

	m->n = m->nr_unused = 0;
	block_lock(b);
	for (; b->twins && m->n < UNCHANGED_RUN && i < MM_BLOCK_PAGES; i++) {
		const struct twin *t = twin_of(b, i);

		if (!t || page_dev(t->word) != m->o->m.dev->id ||
		    !set_has(&m->o->m.set, i))
			continue;
		m->twin[m->n] = *t;
		m->page[m->n++] = (uint16_t)i;
	}
	if (m->n < UNCHANGED_RUN)
		i = MM_BLOCK_PAGES;
	block_unlock(m->o->m.u, b);
	return i;
}

static void compare(struct match *m)
{
	const char *frames = (char *)block_slot_va(m->o->m.u, m->o->m.b);

	for (unsigned k = 0; k < m->n; k++) {
		struct digest now;

		digest_take(&m->o->m.u->digest_key,
			    frames + m->page[k] * MM_PAGE_SIZE, &now);
		m->equal[k] = digest_equals(&now, &m->twin[k].digest);
	}
}

/* The twin of page @i becomes its device page.  Locked. */
static void use_twin(struct match *m, unsigned i, uint64_t word)
{
	struct out *o = m->o;

	twin_take(o->m.u, o->m.b, i);
	atomic_fetch_sub(&o->m.dev->twins, 1);
	m->unused[m->nr_unused++] = o->m.dpfn[i];
	o->m.dpfn[i] = page_dpfn(word);
	set_add(&o->done, i);
	set_add(&o->unchanged, i);
}

/* A page that was touched meanwhile keeps its twin, or has lost it. */
static void apply(struct match *m)
{
	struct block *b = m->o->m.b;

	block_lock(b);
	for (unsigned k = 0; k < m->n; k++) {
		unsigned i = m->page[k];
		const struct twin *t = twin_of(b, i);

		if (page_state(block_word(b, i)) != P_LEAVING || !t ||
		    t->word != m->twin[k].word)
			continue;
		note_match(b, m->equal[k]);
		if (m->equal[k])
			use_twin(m, i, t->word);
		else
			twin_end(b, i);
	}
	block_unlock(m->o->m.u, b);
	device_free(m->o->m.dev, m->unused, m->nr_unused);
}

void unchanged_match(struct out *o)
{
	struct match m = { .o = o };

	if (!atomic_load_explicit(&o->m.dev->twins, memory_order_relaxed))
		return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES;) {
		i = find_twins(&m, i);
		if (!m.n)
			break;
		compare(&m);
		apply(&m);
	}
}

/* ---- Giving them up ----------------------------------------------------- */

void unchanged_end_all(struct uhmm *u, struct uhmm_device *dev)
{
	block_for_each(u, b) {
		block_lock(b);
		twin_end_on(b, dev->id, 0, UINT64_MAX);
		block_unlock(u, b);
	}
}

void unchanged_make_room(struct uhmm *u, struct uhmm_device *dev,
			 uint64_t npages)
{
	uint64_t room = pagemap_room(&dev->pagemap);

	if (atomic_load_explicit(&dev->twins, memory_order_relaxed) &&
	    (room < npages || room <= dev->pagemap.npages / SHORT))
		unchanged_end_all(u, dev);
}

void unchanged_free(struct uhmm *u, const uint64_t *words, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		atomic_fetch_sub(&device_get(u, page_dev(words[k]))->twins, 1);
	device_free_words(u, words, n);
}
