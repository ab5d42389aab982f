/* SPDX-License-Identifier: MIT */
/*
 * home.c - pages of one block come back to RAM: round after round, until all
 * are there.
 *
 * Pages that need no copy come first: clean pages, pages with kept frames,
 * frozen pages.  Then the pages of one device after another (fetch.c).
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/move/clean.h"
#include "core/move/exclusive.h"
#include "core/move/fetch.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/*
 * Is page @i on a device that the CPU maps?  Then its mapping has to be
 * replaced first.
 */
static bool is_on_mapped(const struct fetch *f, unsigned i)
{
	return device_is_mapped(
		device_get(f->m.u, page_dev(block_word(f->m.b, i))));
}

/*
 * Map pages of @want straight from devices with memory that the CPU can read.
 * Other pages stay where they are.  Called and returns with the block's lock
 * held, but releases it for a while.
 */
static void home_direct_relock(struct fetch *f, const struct mm_set *want,
			       const struct uhmm_device *only) NOT_GUARDED
{
	for (unsigned i = set_find(want, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(want, i, true)) {
		unsigned last = set_find(want, i, false);
		ssize_t n = 0;

		if (fetch_may(f, i, only) && !is_on_mapped(f, i))
			n = home_map_direct_unlock(f->m.u, f->m.b, i, last - i,
						   HOME_FREE);
		if (n)
			block_lock(f->m.b);
		f->m.went += n > 0 ? (unsigned)n : 0;
		i += n > 0 ? (unsigned)n : 1;
	}
}

/* ---- Whole blocks ----------------------------------------------------- */

/* Return: false if a page stays in its frame. */
static bool thaw_wanted(struct uhmm *u, struct block *b,
			const struct mm_set *want, uint8_t *why)
{
	struct mm_set home = home_thaw_set(u, b, want, P_FROZEN);

	if (why)
		set_for_each(&home, i)
			why[i] = UHMM_WHY_OK;
	set_for_each(want, i)
		if (page_state(block_word(b, i)) == P_FROZEN)
			return false;
	return true;
}

static bool is_moving(uint64_t w)
{
	return page_has(w, PAGE_MOVING) ||
	       (page_state(w) == P_COHERENT && w & PAGE_DROP) ||
	       (page_state(w) == P_POISONED && !page_is_settled(w));
}

static bool any_moves(const struct block *b, const struct mm_set *want)
{
	set_for_each(want, i)
		if (is_moving(block_word(b, i)))
			return true;
	return false;
}

/*
 * No page could be fetched: if other threads are moving pages of @want, wait
 * until a move ends.  Return: whether to try again.
 */
static bool wait_for_movers_unlock(struct fetch *f, const struct mm_set *want,
				   bool again) LETS_GO(f->m.b->lock)
{
	uint32_t seen = atomic_load(&f->m.b->settled);

	again = again || any_moves(f->m.b, want);
	if (again)
		atomic_store(&f->m.b->waiting, 1);
	block_unlock(f->m.u, f->m.b);
	if (again)
		sys_futex_wait(&f->m.b->settled, seen, 1000 * 1000);
	return again;
}

/* Map pages with kept frames.  Return: whether there were any. */
static bool home_kept(struct fetch *f, const struct mm_set *want,
		      struct uhmm_device *only)
{
	int err;

	block_lock(f->m.b);
	err = kept_home_unlock(f->m.u, f->m.b, want, only, f->m.why);
	if (err == -ENOENT) {
		block_still_locked(f->m.b);
		block_unlock(f->m.u, f->m.b);
	}
	if (err == -EAGAIN)
		sys_yield();
	return err != -ENOENT;
}

/*
 * For a few pages, or if frames cannot be moved: map pages straight from the
 * device, where the CPU can read it.  Return: whether a page came home.
 */
static bool home_small(struct fetch *f, const struct mm_set *want,
		       struct uhmm_device *only)
{
	if (f->m.u->mm->can_move && set_count(want) >= HOME_GIVE_PAGES)
		return false;
	block_lock(f->m.b);
	home_direct_relock(f, want, only);
	block_unlock(f->m.u, f->m.b);
	return f->m.went;
}

/*
 * No slot is free, and pages must come home now (HOME_RESCUE): bring one page
 * home without a slot.
 */
static int rescue_one(struct fetch *f, struct mm_set *want,
		      const struct uhmm_device *only)
{
	block_lock(f->m.b);
	thaw_wanted(f->m.u, f->m.b, want, NULL);
	set_for_each(want, i) {
		if (!fetch_may(f, i, only))
			continue;
		if (home_lone_unlock(f->m.u, f->m.b, i)) {
			set_add(&f->failed, i);
			set_del(want, i);
		}
		return 1;
	}
	return wait_for_movers_unlock(f, want, false);
}

/*
 * One round over the block.  Return: whether another round is needed, or
 * -errno.  Pages that failed, or have to stay, are removed from @want.
 */
static int home_round(struct fetch *f, struct mm_set *want,
		      struct uhmm_device *only)
{
	bool again;

	if (!only)
		exclusive_end(f->m.u, f->m.b, want, 0);
	block_lock(f->m.b);
	clean_break_unlock(f->m.u, f->m.b, want, only);
	if (home_kept(f, want, only) || home_small(f, want, only))
		return 1;
	f->m.dev = NULL;
	if (!fetch_get_frames(f, want))
		return f->how != HOME_MIGRATE ? rescue_one(f, want, only) :
						-ENOMEM;
	block_lock(f->m.b);
	again = !only && !thaw_wanted(f->m.u, f->m.b, want, f->m.why);
	fetch_mark(f, want, only);
	if (!set_empty(&f->m.set)) {
		fetch_marked_unlock(f);
		*want = set_minus(want, &f->failed);
		*want = set_minus(want, &f->stay);
		return 1;
	}
	again = wait_for_movers_unlock(f, want, again);
	slot_put(f->m.u, f->slot);
	return again;
}

/* Is all of @want home?  Most blocks have nothing to bring home. */
static bool is_home(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	unsigned away = 0;
	bool home = true;

	block_lock(b);
	for (int s = 0; s < P_NR_STATES; s++)
		away += PAGE_MASK(PAGE_PLAIN) >> s & 1 ? 0 : b->nr[s];
	for (unsigned i = set_find(want, 0, true);
	     away && home && i < MM_BLOCK_PAGES;
	     i = set_find(want, i + 1, true))
		home = page_is_settled(block_word(b, i)) ||
		       site_has(u, block_word(b, i)); /* stays at its site */
	block_unlock(u, b);
	return home;
}

/*
 * The addresses of the pages in f->gone are unmapped.  If no unmap event is
 * under way, the kernel told nothing of the unmap: forget the pages; their data
 * went with the mapping.
 */
static void forget_gone(struct fetch *f)
{
	bool (*is_still)(struct mm *) = f->m.u->mm->ops->is_still;

	if (set_empty(&f->gone) || (is_still && !is_still(f->m.u->mm)))
		return;
	block_lock(f->m.b);
	set_for_each(&f->gone, i) {
		uint64_t w = block_word(f->m.b, i);

		if (!fetch_is_away(f->m.u, w) || page_dev(w) != f->m.dev->id ||
		    page_dpfn(w) != f->m.dpfn[i])
			continue;
		block_event(f->m.u, f->m.b, i, E_FORGET);
		move_spare(&f->m, f->m.dpfn[i]);
	}
	block_unlock(f->m.u, f->m.b);
	if (f->m.nspare && !coherent_is_elsewhere(f->m.dev, f->m.b->va))
		move_free_spare(&f->m);
}

int home_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *only, enum home_how how, uint8_t *why)
{
	struct mm_set todo = *want;
	struct fetch f;
	struct sys_wait w = { .all = &u->waits,
			      .what = "pages to come home to the block at",
			      .at = b->va };
	int ret = 1, err = site_home(u, b, want, only, how == HOME_FORK, why);

	while (ret > 0 && !is_home(u, b, &todo)) {
		fetch_init(&f, u, b);
		f.how = how;
		f.may_unplace = true;
		f.must = how != HOME_MIGRATE || only;
		f.m.why = why;
		ret = home_round(&f, &todo, only);
		forget_gone(&f);
		if (!set_empty(&f.failed))
			err = -EIO;
		else if (!set_empty(&f.stay) && !err)
			err = -EBUSY;
		if (!f.m.went)
			sys_wait_note(&w);
	}
	sys_wait_end(&w);
	if (how != HOME_MIGRATE)
		block_poison_lost(u, b, want);
	return ret < 0 ? ret : err;
}
