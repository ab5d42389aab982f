/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - pages of one block and one device come back to RAM.
 *
 * A page on its way is P_COMING; the copy runs without the block's lock, into
 * frames or a bounce page, and is mapped in one step afterwards.  Until then
 * the device's copy is the truth: it stays if the copy fails, or if the address
 * space is changing.  If the application drops the page meanwhile, the thread
 * that set P_COMING finds the word changed, and frees the device page.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/move/fetch.h"
#include "core/move/unchanged.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

void fetch_init(struct fetch *f, struct uhmm *u, struct block *b)
{
	memset(f, 0, offsetof(struct fetch, m));
	move_init(&f->m, u, b, NULL);
	f->slot = NO_SLOT;
}

/* ---- Mark ------------------------------------------------------------- */

bool fetch_is_away(struct uhmm *u, uint64_t w)
{
	return page_state(w) == P_DEVICE ||
	       (page_state(w) == P_COHERENT && !(w & PAGE_DROP) &&
		coherent_is_mapped(u, w));
}

bool fetch_may(const struct fetch *f, unsigned i,
	       const struct uhmm_device *only)
{
	uint64_t w = block_word(f->m.b, i);

	if (!fetch_is_away(f->m.u, w))
		return false;
	if (only && page_dev(w) != only->id)
		return false;
	return !f->m.dev || page_dev(w) == f->m.dev->id;
}

void fetch_mark(struct fetch *f, const struct mm_set *want,
		const struct uhmm_device *only)
{
	set_for_each(want, i) {
		uint64_t w = block_word(f->m.b, i);

		if (!fetch_may(f, i, only))
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
		block_arrive(f->m.u, f->m.b, i, page_dev(w), page_dpfn(w),
			     E_FETCH);
	}
}

bool fetch_get_frames(struct fetch *f, const struct mm_set *want)
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

static void give_up_fetch(struct fetch *f, unsigned i)
{
	block_poison(f->m.u, f->m.b, i);
	move_why(&f->m, i, UHMM_WHY_POISONED);
	set_add(&f->failed, i);
	move_spare(&f->m, f->m.dpfn[i]);
}

static void leave_on_device(struct fetch *f, unsigned i, enum uhmm_why why)
{
	if (device_has_lost(f->m.dev, f->m.dpfn[i])) {
		give_up_fetch(f, i);
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
		leave_on_device(f, i, UHMM_WHY_IO);
	else
		give_up_fetch(f, i);
}

static bool keep_twin(struct fetch *f, unsigned i)
{
	return f->digests &&
	       unchanged_keep(f->m.u, f->m.b, i, f->m.dev, f->m.dpfn[i],
			      &f->digests[i - f->first]);
}

static void note_fetched(struct fetch *f, unsigned i)
{
	home_mapped(f->m.u, f->m.b, i, f->share);
	move_why(&f->m, i, UHMM_WHY_OK);
	if (!f->share && !keep_twin(f, i))
		move_spare(&f->m, f->m.dpfn[i]);
	f->m.went++;
}

/*
 * Map pages [i, last), which were all read and are still P_COMING.  Return: the
 * next page to look at.
 */
static unsigned map_fetched_run(struct fetch *f, unsigned i, unsigned last)
{
	struct slot *s = f->slot == NO_SLOT ? NULL : slot_of(f->m.u, f->slot);
	ssize_t n = home_map(f->m.u, f->m.b, i, last, f->ram + i * MM_PAGE_SIZE,
			     s, f->share);

	if (n == -EEXIST) {
		sys_logf(&f->m.u->log, SYS_INFO, "page %#lx was there already",
			 (unsigned long)(f->m.b->va + i * MM_PAGE_SIZE));
		f->share = false;
		f->digests = NULL;
		n = 1;
	}
	if (n <= 0) {
		leave_on_device(
			f, i, n == -ENOENT ? UHMM_WHY_UNMAPPED : UHMM_WHY_BUSY);
		if (n == -ENOENT)
			set_add(&f->gone, i);
		return i + 1;
	}
	for (ssize_t k = 0; k < n; k++)
		note_fetched(f, i + (unsigned)k);
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

static void map_fetched(struct fetch *f)
{
	for (unsigned i = set_find(&f->m.set, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(&f->m.set, i, true)) {
		unsigned last = mappable(f, i);

		if (last > i) {
			i = map_fetched_run(f, i, last);
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

/*
 * Unmap device memory from the marked pages; a page where that fails stays on
 * the device.
 */
static void take_back_mapping(struct fetch *f)
{
	struct swap s = { .m = &f->m, .set = f->m.set, .must = f->must };
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
		if (s.err == -EBUSY)
			set_add(&f->stay, i);
	}
}

/* While the frames are this thread's alone. */
static void take_digests(struct fetch *f)
{
	if (!f->digests)
		return;
	set_for_each(&f->read, i)
		digest_take(&f->m.u->digest_key, f->ram + i * MM_PAGE_SIZE,
			    &f->digests[i - f->first]);
}

void fetch_marked_unlock(struct fetch *f)
{
	bool swap = device_is_mapped(f->m.dev) && f->may_unplace;
	struct slot *s;

	if (swap)
		call_hold(f->m.dev);
	block_unlock(f->m.u, f->m.b);
	mirror_invalidate_set(f->m.u, f->m.b, &f->m.set, UHMM_NOTIFY_MIGRATE);
	if (swap)
		take_back_mapping(f);
	s = slot_of(f->m.u, f->slot);
	s->stock = set_or(&s->stock, &f->m.set);
	fetch_range(f, 0, MM_BLOCK_PAGES, HOME_ATTEMPTS);
	take_digests(f);
	block_lock(f->m.b);
	map_fetched(f);
	if (device_is_mapped(f->m.dev))
		coherent_count(f->m.u, f->m.b);
	block_unlock(f->m.u, f->m.b);
	block_settle(f->m.u, f->m.b, f->again || !set_empty(&f->failed));
	count_add(&f->m.u->count.to_ram, f->m.went);
	move_free_spare(&f->m);
	slot_put(f->m.u, f->slot);
}

/* ---- A run for a fault ------------------------------------------------ */

/*
 * Bring pages [i, i + n) home at once.  Called with b->lock held, returns with
 * it released.  Return: 0; -EAGAIN: try again; -EIO: page @i is lost.
 */
int home_run_unlock(struct uhmm *u, struct block *b, unsigned i, unsigned n,
		    enum home_copy copy)
	NOT_GUARDED /* the block of the fetch is @b */
{
	struct digest digests[UNCHANGED_RUN];
	struct mm_set want;
	struct fetch f;

	set_clear(&want);
	set_add_run(&want, i, i + n);
	fetch_init(&f, u, b);
	f.how = HOME_RESCUE;
	if (!fetch_get_frames(&f, &want)) {
		block_unlock(u, b);
		return -EAGAIN;
	}
	f.share = copy == HOME_SHARE;
	f.digests = copy == HOME_TWIN && n <= UNCHANGED_RUN ? digests : NULL;
	f.first = i;
	f.m.dev = device_get(u, page_dev(block_word(b, i)));
	fetch_mark(&f, &want, NULL);
	fetch_marked_unlock(&f);
	if (set_has(&f.failed, i))
		return -EIO;
	return f.again ? -EAGAIN : 0;
}
