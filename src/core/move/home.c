/* SPDX-License-Identifier: MIT */
/*
 * home.c - pages of one block come back to RAM.
 *
 * A page on its way is P_COMING; the copy runs without the block's lock, into
 * frames or a bounce page, and is mapped in one step afterwards.  Until then
 * the device's copy is the truth: it stays if the copy fails, or if the address
 * space is changing.  If the application drops the page meanwhile, the thread
 * that set P_COMING finds the word changed, and frees the device page.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/node.h"
#include "core/coherent/placed.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/move/clean.h"
#include "core/move/exclusive.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/*
 * @m.set: pages marked P_COMING by us; @m.went: those that came
 * @placed: of them, on a device that the CPU maps
 * @read: copied; @failed: could not be; @gone: nothing is mapped there
 * @ram: where page 0 of the block would be copied to
 */
struct fetch {
	enum home_how how;
	struct mm_set read, failed, gone, placed;
	uint32_t slot;
	char *ram;
	bool again;	  /* not because of the device: to be tried again */
	bool may_unplace; /* not in a fault */
	bool share;	  /* for a read: the device's copies stay good */
	struct move m;	  /* from its @dpfn on not initialized */
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

static void fetch_init(struct fetch *f, struct uhmm *u, struct block *b)
{
	memset(f, 0, offsetof(struct fetch, m));
	move_init(&f->m, u, b, NULL);
	f->slot = NO_SLOT;
}

/* ---- A run or more ---------------------------------------------------- */

/* Is the page where only its device has it, or the CPU by the device's file? */
static bool is_away(struct uhmm *u, uint64_t w)
{
	return page_state(w) == P_DEVICE ||
	       (page_state(w) == P_COHERENT && !(w & PAGE_DROP) &&
		coherent_is_mapped(u, w));
}

static bool is_fetchable(const struct fetch *f, unsigned i,
			 const struct uhmm_device *only)
{
	uint64_t w = block_word(f->m.b, i);

	if (!is_away(f->m.u, w))
		return false;
	if (only && page_dev(w) != only->id)
		return false;
	return !f->m.dev || page_dev(w) == f->m.dev->id;
}

/* Mark what is on one device.  Locked. */
static void mark_coming(struct fetch *f, const struct mm_set *want,
			const struct uhmm_device *only)
{
	set_for_each(want, i) {
		uint64_t w = block_word(f->m.b, i);

		if (!is_fetchable(f, i, only))
			continue;
		f->m.dev = device_get(f->m.u, page_dev(w));
		f->m.dpfn[i] = page_dpfn(w);
		set_add(&f->m.set, i);
		if (device_is_mapped(f->m.dev) && f->may_unplace) {
			if (page_state(w) == P_COHERENT)
				set_add(&f->placed, i);
			coherent_mark(f->m.u, f->m.b, i, f->m.dev->id,
				      f->m.dpfn[i]);
			continue;
		}
		block_set(f->m.u, f->m.b, i,
			  page_on_device(P_COMING, page_dev(w), page_dpfn(w)));
	}
}

static bool get_frames(struct fetch *f, const struct mm_set *want)
{
	if (f->m.b->huge && set_full(want)) {
		f->slot = slot_get_huge(f->m.u);
		f->m.b->huge = f->slot != NO_SLOT;
	}
	if (f->slot == NO_SLOT)
		f->slot = slot_get(f->m.u, want);
	if (f->slot == NO_SLOT)
		return false;
	f->ram = (char *)slot_va(f->m.u, f->slot);
	return true;
}

static void fetch_range(struct fetch *f, unsigned first, unsigned last,
			int attempts)
{
	unsigned nr, mid = first + (last - first) / 2;
	struct mm_set part = set_part(&f->m.set, first, last);

	if (set_empty(&part))
		return;
	nr = move_segments(&part, f->m.dpfn, f->ram, f->seg);
	if (!device_copy_out(f->m.dev, f->seg, nr, move_first(&f->m, &part))) {
		f->read = set_or(&f->read, &part);
	} else if (device_is_lost(f->m.dev)) {
		return;
	} else if (last - first > 1) {
		fetch_range(f, first, mid, attempts);
		fetch_range(f, mid, last, attempts);
	} else if (attempts > 1) {
		fetch_range(f, first, last, attempts - 1);
	}
}

static void give_up(struct fetch *f, unsigned i)
{
	block_poison(f->m.u, f->m.b, i);
	move_why(&f->m, i, UHMM_WHY_POISONED);
	set_add(&f->failed, i);
	move_spare(&f->m, f->m.dpfn[i]);
}

static void stay(struct fetch *f, unsigned i, enum uhmm_why why)
{
	if (device_has_lost(f->m.dev, f->m.dpfn[i])) {
		give_up(f, i);
		return;
	}
	block_arrive(f->m.u, f->m.b, i, f->m.dev->id, f->m.dpfn[i], E_STAY);
	move_why(&f->m, i, why);
	if (why == UHMM_WHY_IO)
		set_add(&f->failed, i);
	else
		f->again = true;
}

static void lost(struct fetch *f, unsigned i)
{
	if (f->how == HOME_MIGRATE)
		stay(f, i, UHMM_WHY_IO);
	else
		give_up(f, i);
}

static void homed(struct fetch *f, unsigned i)
{
	home_mapped(f->m.u, f->m.b, i, f->share);
	move_why(&f->m, i, UHMM_WHY_OK);
	if (!f->share)
		move_spare(&f->m, f->m.dpfn[i]);
	f->m.went++;
}

/* Map [i, last), all read and ours.  Return: where to go on. */
static unsigned map_run(struct fetch *f, unsigned i, unsigned last)
{
	struct slot *s = f->slot == NO_SLOT ? NULL : slot_of(f->m.u, f->slot);
	ssize_t n = home_map(f->m.u, f->m.b, i, last, f->ram + i * MM_PAGE_SIZE,
			     s, f->share);

	if (n == -EEXIST) {
		sys_logf(&f->m.u->log, SYS_INFO, "page %#lx was there already",
			 (unsigned long)(f->m.b->va + i * MM_PAGE_SIZE));
		f->share = false;
		n = 1;
	}
	if (n <= 0) {
		stay(f, i, n == -ENOENT ? UHMM_WHY_UNMAPPED : UHMM_WHY_BUSY);
		if (n == -ENOENT)
			set_add(&f->gone, i);
		return i + 1;
	}
	for (ssize_t k = 0; k < n; k++)
		homed(f, i + (unsigned)k);
	return i + (unsigned)n;
}

/* The longest run from @i of pages that can be mapped at once. */
static unsigned mappable(const struct fetch *f, unsigned i)
{
	while (i < MM_BLOCK_PAGES && set_has(&f->read, i) &&
	       move_is_coming(&f->m, i))
		i++;
	return i;
}

static void map_all(struct fetch *f)
{
	for (unsigned i = set_find(&f->m.set, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(&f->m.set, i, true)) {
		unsigned last = mappable(f, i);

		if (last > i) {
			i = map_run(f, i, last);
			continue;
		}
		if (!move_is_coming(&f->m, i) &&
		    !carried_take(f->m.u, f->m.dev->id, f->m.dpfn[i]))
			move_spare(&f->m, f->m.dpfn[i]); /* dropped meanwhile */
		else if (move_is_coming(&f->m, i))
			lost(f, i);
		i++;
	}
}

/* The CPU's access to the device's memory ends; what it cannot, stays. */
static void take_back(struct fetch *f)
{
	struct swap s = { .m = &f->m, .set = f->m.set };
	struct mm_set rest;

	coherent_unplace(&s, &f->placed);
	call_drop(f->m.dev);
	rest = set_minus(&f->m.set, &s.done);
	f->m.set = s.done;
	f->again = !set_empty(&rest);
	set_for_each(&rest, i) {
		move_why(&f->m, i, UHMM_WHY_BUSY);
		if (s.err == -ENOENT)
			set_add(&f->gone, i);
	}
}

/*
 * What was marked comes home.  @b locked, unlocked on return.
 */
static void fetch_marked_unlock(struct fetch *f)
{
	bool swap = device_is_mapped(f->m.dev) && f->may_unplace;
	struct slot *s;

	if (swap)
		call_hold(f->m.dev);
	block_unlock(f->m.u, f->m.b);
	mirror_invalidate_set(f->m.u, f->m.b, &f->m.set, UHMM_NOTIFY_MIGRATE);
	if (swap)
		take_back(f);
	s = slot_of(f->m.u, f->slot);
	s->stock = set_or(&s->stock, &f->m.set);
	fetch_range(f, 0, MM_BLOCK_PAGES, HOME_ATTEMPTS);
	block_lock(f->m.b);
	map_all(f);
	if (device_is_mapped(f->m.dev))
		coherent_count(f->m.u, f->m.b);
	block_unlock(f->m.u, f->m.b);
	block_settle(f->m.u, f->m.b, f->again || !set_empty(&f->failed));
	count_add(&f->m.u->count.to_ram, f->m.went);
	move_free_spare(&f->m);
	slot_put(f->m.u, f->slot);
}

/* Its mapping has to be replaced first. */
static bool is_on_mapped(const struct fetch *f, unsigned i)
{
	return device_is_mapped(
		device_get(f->m.u, page_dev(block_word(f->m.b, i))));
}

/*
 * The same for what is wanted of a block; what is left over stays.  Locked, but
 * not all the time.
 */
static void home_direct(struct fetch *f, const struct mm_set *want,
			const struct uhmm_device *only)
{
	for (unsigned i = set_find(want, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(want, i, true)) {
		unsigned last = set_find(want, i, false);
		ssize_t n = 0;

		if (is_fetchable(f, i, only) && !is_on_mapped(f, i))
			n = home_map_direct_unlock(f->m.u, f->m.b, i, last - i,
						   false);
		if (n)
			block_lock(f->m.b);
		f->m.went += n > 0 ? (unsigned)n : 0;
		i += n > 0 ? (unsigned)n : 1;
	}
}

/* ---- Whole blocks ----------------------------------------------------- */

static bool thaw_wanted(struct uhmm *u, struct block *b,
			const struct mm_set *want, uint8_t *why)
{
	bool all = true;

	for (unsigned i = set_find(want, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(want, i, true)) {
		unsigned last = i;
		int n;

		while (last < MM_BLOCK_PAGES && set_has(want, last) &&
		       page_state(block_word(b, last)) == P_FROZEN)
			last++;
		if (last == i) {
			i++;
			continue;
		}
		n = home_thaw(u, b, i, last);
		all = all && n == (int)(last - i);
		for (int k = 0; why && k < n; k++)
			why[i + (unsigned)k] = UHMM_WHY_OK;
		i += n > 0 ? (unsigned)n : 1;
	}
	return all;
}

/* A lost page is not settled before its mapping is gone, see coherent.c. */
static bool is_settled(uint64_t w)
{
	enum page_state s = page_state(w);

	if (s == P_POISONED)
		return !(w & PAGE_SWAPPING);
	return s < P_CLEAN || s > P_CLEARING;
}

static bool is_moving(const struct block *b, const struct mm_set *want)
{
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		switch (page_state(w)) {
		case P_COHERENT:
			if (w & PAGE_DROP)
				return true;
			break;
		case P_POISONED:
			if (!is_settled(w))
				return true;
			break;
		case P_COMING:
		case P_LEAVING:
		case P_REVOKING:
		case P_STASHING:
		case P_CLEARING:
			return true;
		default:
			break;
		}
	}
	return false;
}

/* Nothing could be fetched: wait for others' moves to end, if there are any. */
static bool wait_for_movers_unlock(struct fetch *f, const struct mm_set *want,
				   bool again)
{
	struct block *b = f->m.b;
	uint32_t seen = atomic_load(&b->settled);

	again = again || is_moving(b, want);
	if (again)
		atomic_store(&b->waiting, 1);
	block_unlock(f->m.u, b);
	if (again)
		sys_futex_wait(&b->settled, seen, 1000 * 1000);
	return again;
}

/* What needs no copy, first.  Return: whether there was something. */
static bool home_kept(struct fetch *f, const struct mm_set *want,
		      struct uhmm_device *only)
{
	int err;

	block_lock(f->m.b);
	err = kept_home_unlock(f->m.u, f->m.b, want, only, f->m.why);
	if (err == -ENOENT)
		block_unlock(f->m.u, f->m.b);
	if (err == -EAGAIN)
		sys_yield();
	return err != -ENOENT;
}

/* Few pages, or frames that cannot be given: without frames if possible. */
static bool home_small(struct fetch *f, const struct mm_set *want,
		       struct uhmm_device *only)
{
	if (f->m.u->mm->can_move && set_count(want) >= HOME_GIVE_PAGES)
		return false;
	block_lock(f->m.b);
	home_direct(f, want, only);
	block_unlock(f->m.u, f->m.b);
	return f->m.went;
}

/* No slot is free: one page at least, when there is no later. */
static int rescue_one(struct fetch *f, struct mm_set *want,
		      const struct uhmm_device *only)
{
	block_lock(f->m.b);
	thaw_wanted(f->m.u, f->m.b, want, NULL);
	set_for_each(want, i) {
		if (!is_fetchable(f, i, only))
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
 * One round over the block.  Return: whether to come again, or -errno.  What
 * failed leaves @want.
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
	if (!get_frames(f, want))
		return f->how == HOME_RESCUE ? rescue_one(f, want, only) :
					       -ENOMEM;
	block_lock(f->m.b);
	again = !only && !thaw_wanted(f->m.u, f->m.b, want, f->m.why);
	mark_coming(f, want, only);
	if (!set_empty(&f->m.set)) {
		fetch_marked_unlock(f);
		*want = set_minus(want, &f->failed);
		return 1;
	}
	again = wait_for_movers_unlock(f, want, again);
	slot_put(f->m.u, f->slot);
	return again;
}

/* Is there anything that could come home?  Most blocks have nothing. */
static bool is_home(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	unsigned away = 0;
	bool home = true;

	block_lock(b);
	for (int s = P_CLEAN; s <= P_POISONED; s++)
		away += b->nr[s];
	for (unsigned i = set_find(want, 0, true);
	     away && home && i < MM_BLOCK_PAGES;
	     i = set_find(want, i + 1, true))
		home = is_settled(block_word(b, i)) ||
		       node_has(u, block_word(b, i)); /* would not come */
	block_unlock(u, b);
	return home;
}

/*
 * Nothing is mapped where these pages belong, and no event that would say so
 * is under way: their mapping went unnoticed, and their data with it.
 */
static void forget_gone(struct fetch *f)
{
	bool (*is_still)(struct mm *) = f->m.u->mm->ops->is_still;

	if (set_empty(&f->gone) || (is_still && !is_still(f->m.u->mm)))
		return;
	block_lock(f->m.b);
	set_for_each(&f->gone, i) {
		uint64_t w = block_word(f->m.b, i);

		if (!is_away(f->m.u, w) || page_dev(w) != f->m.dev->id ||
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
	int ret = 1, err = node_home(u, b, want, only, why);

	while (ret > 0 && !is_home(u, b, &todo)) {
		fetch_init(&f, u, b);
		f.how = how;
		f.may_unplace = true;
		f.m.why = why;
		ret = home_round(&f, &todo, only);
		forget_gone(&f);
		if (!set_empty(&f.failed))
			err = -EIO;
		if (!f.m.went)
			sys_wait_note(&w);
	}
	sys_wait_end(&w);
	if (how == HOME_RESCUE)
		block_poison_lost(u, b, want);
	return ret < 0 ? ret : err;
}

/* ---- A run for a fault ---- */

/*
 * Pages [i, i + n) in one go.  @b locked, unlocked on return.  Return: 0;
 * -EAGAIN to be tried again; -EIO when page @i is lost.
 */
int home_run_unlock(struct uhmm *u, struct block *b, unsigned i, unsigned n,
		    bool share)
{
	struct mm_set want;
	struct fetch f;

	set_clear(&want);
	set_add_run(&want, i, i + n);
	fetch_init(&f, u, b);
	f.how = HOME_RESCUE;
	if (!get_frames(&f, &want)) {
		block_unlock(u, b);
		return -EAGAIN;
	}
	f.share = share;
	f.m.dev = device_get(u, page_dev(block_word(b, i)));
	mark_coming(&f, &want, NULL);
	fetch_marked_unlock(&f);
	if (set_has(&f.failed, i))
		return -EIO;
	return f.again ? -EAGAIN : 0;
}
