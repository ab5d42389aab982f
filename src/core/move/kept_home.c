/* SPDX-License-Identifier: MIT */
/*
 * kept_home.c - pages on a device that were not written to since they left RAM.
 *
 * The frame that such a page was copied from is kept (page/kept.c), and mapped
 * again when the page comes home: nothing is copied from the device.  Only for
 * devices that say when they begin to write to a page
 * (UHMM_DEVICE_TELLS_WRITES); only without a limit on RAM, for frames are RAM;
 * and only for half of all slots, for moves need some.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

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
		kept_set(k->u, k->b, i, coming(k->word[i]));
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
		kept_set(u, b, i, k->word[i]);
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

int kept_home_unlock(struct uhmm *u, struct block *b, const struct mm_set *want,
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
int kept_home_run_unlock(struct uhmm *u, struct block *b, unsigned i,
			 unsigned n)
{
	struct mm_set run;
	unsigned last = i;

	while (last < i + n && kept_has(u, b, last))
		last++;
	if (last == i)
		return -ENOENT;
	set_clear(&run);
	set_add_run(&run, i, last);
	return kept_home_unlock(u, b, &run, NULL, NULL);
}
