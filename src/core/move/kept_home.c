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
#include "core/device/move.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- Which -------------------------------------------------------------- */

/* Should frames of pages of @b on @dev be kept?  Caller holds b->lock. */
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
 * @told: mirrors let go of the pages, and they are P_COMING
 * @again: some could not be mapped
 */
struct back {
	struct move m;
	bool told, again;
};

static void select_kept_pages(struct back *k, const struct mm_set *want)
{
	set_for_each(want, i) {
		uint64_t w = block_word(k->m.b, i);

		if (page_state(w) != P_DEVICE || !kept_has(k->m.u, k->m.b, i))
			continue;
		if (!k->m.dev)
			k->m.dev = device_get(k->m.u, page_dev(w));
		if (page_dev(w) != k->m.dev->id)
			continue;
		k->m.dpfn[i] = page_dpfn(w);
		set_add(&k->m.set, i);
	}
}

static void arrive_kept(const struct back *k, unsigned i, enum page_event event)
{
	kept_arrive(k->m.u, k->m.b, i, k->m.dev->id, k->m.dpfn[i], event);
}

/*
 * Have devices let go of the pages before the CPU may write to them.  If the
 * application drops a page meanwhile, this thread frees the device page.
 */
static void tell_kept_mirrors_relock(struct back *k) NOT_GUARDED
{
	struct mm_set all = k->m.set;

	k->told = true;
	set_for_each(&all, i)
		arrive_kept(k, i, E_FETCH);
	block_unlock(k->m.u, k->m.b);
	mirror_invalidate_set(k->m.u, k->m.b, &all, UHMM_NOTIFY_MIGRATE);
	block_lock(k->m.b);
	set_for_each(&all, i) {
		if (move_is_coming(&k->m, i))
			continue;
		set_del(&k->m.set, i);
		move_spare(&k->m, k->m.dpfn[i]);
	}
}

/*
 * Page @i cannot be mapped.  @err: -EAGAIN, not now; else the ordinary way has
 * to find out what to do.
 */
static void leave_kept(struct back *k, unsigned i, ssize_t err)
{
	struct uhmm *u = k->m.u;
	struct block *b = k->m.b;

	k->again = true;
	if (device_has_lost(k->m.dev, k->m.dpfn[i])) {
		move_spare(&k->m, k->m.dpfn[i]);
		kept_park(u, b, i);
		return;
	}
	if (k->told)
		arrive_kept(k, i, E_STAY);
	if (err != -EAGAIN)
		kept_forget(u, b, i);
}

static void note_kept_home(struct back *k, unsigned i)
{
	block_home(k->m.u, k->m.b, i, E_HOME);
	move_why(&k->m, i, UHMM_WHY_OK);
	move_spare(&k->m, k->m.dpfn[i]);
	k->m.went++;
}

/* Return: the next page to look at. */
static unsigned map_kept_run(struct back *k, unsigned i, unsigned last)
{
	const char *ram =
		(char *)block_slot_va(k->m.u, k->m.b) + i * MM_PAGE_SIZE;
	ssize_t n = home_map(k->m.u, k->m.b, i, last, ram,
			     slot_of(k->m.u, k->m.b->slot), false);

	if (n == -EEXIST) { /* it is there after all: that one counts */
		k->again = true;
		n = 1;
	}
	if (n <= 0) {
		leave_kept(k, i, n);
		return i + 1;
	}
	for (ssize_t j = 0; j < n; j++)
		note_kept_home(k, i + (unsigned)j);
	return i + (unsigned)n;
}

static void map_kept(struct back *k)
{
	set_for_each_run(&k->m.set, first, last)
		for (unsigned i = first; i < last;)
			i = map_kept_run(k, i, last);
}

int kept_home_unlock(struct uhmm *u, struct block *b, const struct mm_set *want,
		     struct uhmm_device *only, uint8_t *why)
{
	struct back k;

	if (!b->nr_kept) {
		block_stays_locked(b);
		return -ENOENT;
	}
	move_init(&k.m, u, b, only);
	k.m.why = why;
	k.told = k.again = false;
	select_kept_pages(&k, want);
	if (set_empty(&k.m.set)) {
		block_stays_locked(b);
		return -ENOENT;
	}
	if (atomic_load(&u->mirrors.count))
		tell_kept_mirrors_relock(&k);
	map_kept(&k);
	block_unlock(u, b);
	if (k.told)
		block_settle(u, b, k.again);
	count_add(&u->count.unwritten, k.m.went);
	move_free_spare(&k.m);
	return k.again ? -EAGAIN : 0;
}

/* Bring page @i home, and the pages behind it with kept frames, at most @n. */
int kept_home_run_unlock(struct uhmm *u, struct block *b, unsigned i,
			 unsigned n)
{
	struct mm_set run;
	unsigned last = i;

	while (last < i + n && kept_has(u, b, last))
		last++;
	if (last == i) {
		block_stays_locked(b);
		return -ENOENT;
	}
	set_clear(&run);
	set_add_run(&run, i, last);
	return kept_home_unlock(u, b, &run, NULL, NULL);
}
