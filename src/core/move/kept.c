/* SPDX-License-Identifier: MIT */
/*
 * kept.c - pages on a device that were not written to since they left RAM.
 *
 * The frame that such a page was copied from is kept, in the slot of its block,
 * and mapped again when the page comes home: nothing is copied from the device.
 * Only for devices that say when they begin to write to a page
 * (UHMM_DEVICE_TELLS_WRITES); only without a limit on RAM, for frames are RAM;
 * and only for half of all slots, for moves need some.
 *
 * DOC: When a frame is good
 *
 * A page is kept as long as its word is that P_DEVICE: any change of the word
 * ends it (block_set()), and so does an entry of a mirror by which the device
 * may write (mirror_fault.c), before the device has it.  One way home is the
 * exception: a page that is P_COMING and kept is marked so by kept_home(), and
 * its frame is good until that has mapped it.
 *
 * A frame that is kept no more is stock with old data.  The slot goes back to
 * the pool with the last of them.  Before that memory is dropped where much of
 * it is of no use any more.  Both are done with the mover lock held: no other
 * thread is at work with the slot then.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/limit/charge.h"
#include "core/mirror/mirrors.h"
#include "core/move/home.h"
#include "core/move/kept.h"
#include "core/move/out.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

#define SHED_PAGES 64 /* of no use: fewer are not worth a call */

/* ---- Which -------------------------------------------------------------- */

/* Should what @b has on @dev be kept?  Locked. */
bool kept_wanted(struct uhmm *u, const struct block *b,
		 const struct uhmm_device *dev)
{
	const uint32_t tells = UHMM_DEVICE_TELLS_WRITES;

	return dev->desc.flags & tells && !device_is_mapped(dev) &&
	       u->mm->can_move && !(u->flags & UHMM_OPEN_NO_RECYCLE) &&
	       b->slot != NO_SLOT && !slot_of(u, b->slot)->stashed &&
	       !charge_is_limited(u, b, 0) &&
	       (b->nr_kept ||
		atomic_load(&u->slots.nr_keeping) < u->slots.nr / 2);
}

static void count(struct uhmm *u, struct block *b, int by)
{
	if (!b->nr_kept)
		atomic_fetch_add(&u->slots.nr_keeping, 1);
	b->nr_kept = (uint16_t)(b->nr_kept + by);
	b->kept_delta = (int16_t)(b->kept_delta + by);
	if (!b->nr_kept)
		atomic_fetch_sub(&u->slots.nr_keeping, 1);
}

/* Page @i has just become P_DEVICE, and its frame is as it was.  Locked. */
void kept_add(struct uhmm *u, struct block *b, unsigned i)
{
	set_add(&slot_of(u, b->slot)->kept, i);
	count(u, b, 1);
}

bool kept_has(struct uhmm *u, const struct block *b, unsigned i)
{
	return b->nr_kept && set_has(&slot_of(u, b->slot)->kept, i);
}

void kept_forget(struct uhmm *u, struct block *b, unsigned i)
{
	if (!kept_has(u, b, i))
		return;
	set_del(&slot_of(u, b->slot)->kept, i);
	count(u, b, -1);
	atomic_fetch_add_explicit(&b->spent, 1, memory_order_relaxed);
}

/* The word goes on, and the frame is good still. */
static void set_kept(struct uhmm *u, struct block *b, unsigned i, uint64_t word)
{
	block_set(u, b, i, word);
	kept_add(u, b, i);
	atomic_fetch_sub_explicit(&b->spent, 1, memory_order_relaxed);
}

/* ---- What is of no use any more ---------------------------------------- */

static void shed(struct uhmm *u, struct block *b)
{
	struct slot *s = slot_of(u, b->slot);
	struct mm_set old = set_minus(&s->stock, &s->kept);

	set_for_each(&old, i)
		if (page_has(block_word(b, i), PAGE_USES_FRAME))
			set_del(&old, i);
	set_for_each_run(&old, first, last)
		u->mm->ops->drop(u->mm,
				 slot_va(u, b->slot) + first * MM_PAGE_SIZE,
				 last - first);
	s->huge = s->huge && set_empty(&old);
	s->stock = set_minus(&s->stock, &old);
}

void kept_shed(struct uhmm *u, struct block *b)
{
	block_lock(b);
	if (b->slot != NO_SLOT)
		shed(u, b);
	block_unlock(u, b);
}

/*
 * If a mover holds its lock, leave the slot alone: block_let_go() calls this
 * again.
 */
void kept_tidy(struct uhmm *u, struct block *b)
{
	if (b->nr_kept && atomic_load(&b->spent) < SHED_PAGES)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (!sys_mutex_trylock(&b->mover))
		return;
	atomic_store(&b->spent, 0);
	if (b->nr_kept)
		shed(u, b);
	else
		out_release_slot(u, b);
	sys_mutex_unlock(&b->mover);
}

/* Frames are RAM, of which a group of the block may have no more. Locked. */
void kept_limit(struct uhmm *u, struct block *b)
{
	if (!b->nr_kept || !charge_is_limited(u, b, 0))
		return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (page_state(block_word(b, i)) == P_DEVICE)
			kept_forget(u, b, i);
}

void kept_limit_all(struct uhmm *u)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);

	for (uint32_t i = 0; atomic_load(&u->slots.nr_keeping) && i < nr; i++) {
		block_lock(u->blocks[i]);
		kept_limit(u, u->blocks[i]);
		block_unlock(u, u->blocks[i]);
	}
}

/* ---- Lost devices ------------------------------------------------------- */

/* The device page is lost: the page is at rest in its frame.  Locked. */
void kept_park(struct uhmm *u, struct block *b, unsigned i)
{
	block_event(u, b, i, E_PARK);
}

/* ---- Home --------------------------------------------------------------- */

/*
 * @set: pages of one device, @dev; @word: what they were
 * @free: device pages to be freed
 */
struct back {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *dev;
	struct mm_set set;
	uint8_t *why;
	unsigned came, nfree;
	bool told, again;
	uint64_t word[MM_BLOCK_PAGES]; /* not initialized */
	uint64_t free[MM_BLOCK_PAGES];
};

static void select_pages(struct back *k, const struct mm_set *want)
{
	set_for_each(want, i) {
		uint64_t w = block_word(k->b, i);

		if (page_state(w) != P_DEVICE || !kept_has(k->u, k->b, i))
			continue;
		if (!k->dev)
			k->dev = device_get(k->u, page_dev(w));
		if (page_dev(w) != k->dev->id)
			continue;
		k->word[i] = w;
		set_add(&k->set, i);
	}
}

static uint64_t coming(uint64_t w)
{
	return page_on_device(P_COMING, page_dev(w), page_dpfn(w));
}

static void free_later(struct back *k, unsigned i)
{
	k->free[k->nfree++] = page_dpfn(k->word[i]);
}

/*
 * Devices let go of the pages before the CPU may write to them.  What the
 * application drops meanwhile leaves its device page to us.
 */
static void tell_mirrors(struct back *k)
{
	struct mm_set all = k->set;

	k->told = true;
	set_for_each(&all, i)
		set_kept(k->u, k->b, i, coming(k->word[i]));
	block_unlock(k->u, k->b);
	mirror_invalidate_set(k->u, k->b, &all, UHMM_NOTIFY_MIGRATE);
	block_lock(k->b);
	set_for_each(&all, i) {
		if (block_word(k->b, i) == coming(k->word[i]))
			continue;
		set_del(&k->set, i);
		free_later(k, i);
	}
}

/*
 * Page @i cannot be mapped.  @err: -EAGAIN, not now; else the ordinary way has
 * to find out what to do.
 */
static void stay(struct back *k, unsigned i, ssize_t err)
{
	struct uhmm *u = k->u;
	struct block *b = k->b;

	k->again = true;
	if (device_has_lost(k->dev, page_dpfn(k->word[i]))) {
		free_later(k, i);
		kept_park(u, b, i);
		return;
	}
	if (k->told)
		set_kept(u, b, i, k->word[i]);
	if (err != -EAGAIN)
		kept_forget(u, b, i);
}

static void homed(struct back *k, unsigned i)
{
	block_home(k->u, k->b, i, E_HOME);
	if (k->why)
		k->why[i] = UHMM_WHY_OK;
	free_later(k, i);
	k->came++;
}

/* Return: where to go on. */
static unsigned map_run(struct back *k, unsigned i, unsigned last)
{
	const char *ram = (char *)block_slot_va(k->u, k->b) + i * MM_PAGE_SIZE;
	ssize_t n = home_map(k->u, k->b, i, last, ram,
			     slot_of(k->u, k->b->slot), false);

	if (n == -EEXIST) { /* it is there after all: that one counts */
		k->again = true;
		n = 1;
	}
	if (n <= 0) {
		stay(k, i, n);
		return i + 1;
	}
	for (ssize_t j = 0; j < n; j++)
		homed(k, i + (unsigned)j);
	return i + (unsigned)n;
}

static void map_all(struct back *k)
{
	set_for_each_run(&k->set, first, last)
		for (unsigned i = first; i < last;)
			i = map_run(k, i, last);
}

/* @b is locked, unlocked when there were some. */
int kept_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *only, uint8_t *why)
{
	struct back k;

	if (!b->nr_kept)
		return -ENOENT;
	memset(&k, 0, offsetof(struct back, word));
	k.u = u;
	k.b = b;
	k.dev = only;
	k.why = why;
	select_pages(&k, want);
	if (set_empty(&k.set))
		return -ENOENT;
	if (atomic_load(&u->mirrors.count))
		tell_mirrors(&k);
	map_all(&k);
	block_unlock(u, b);
	if (k.told)
		block_settle(u, b, k.again);
	count_add(&u->count.unwritten, k.came);
	device_free(k.dev, k.free, k.nfree);
	return k.again ? -EAGAIN : 0;
}

/* Page @i and those of the next @n that are kept as well. */
int kept_home_run(struct uhmm *u, struct block *b, unsigned i, unsigned n)
{
	struct mm_set run;
	unsigned last = i;

	while (last < i + n && kept_has(u, b, last))
		last++;
	if (last == i)
		return -ENOENT;
	set_clear(&run);
	set_add_run(&run, i, last);
	return kept_home(u, b, &run, NULL, NULL);
}
