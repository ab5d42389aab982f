/* SPDX-License-Identifier: MIT */
/*
 * clean.c - pages in RAM that have a good copy on a device.
 *
 * A page that comes home for a read is mapped write-protected, and keeps its
 * device page: P_CLEAN.  If it is not written to, it leaves again for nothing:
 * it is removed from its address and that is all.  The first write, or a wish
 * to have it in RAM for good, gives the copy up.
 *
 * That is only where every write fault is served, those of system calls
 * included.  There a page that comes from its file for a read is always clean.
 * Other pages become clean only under a limit on RAM, where the demoter sends
 * pages away; only while the device has room to spare and no limit of its own;
 * and only while all such copies take a small part of a limit that counts them,
 * too.
 *
 * Nothing can be lost to DMA here: a write to the page through the kernel has
 * to fault first.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/move/clean.h"
#include "core/move/fits.h"
#include "core/move/out.h"
#include "core/move/out_steps.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/page.h"

#define WRITE_COSTS 8	/* reads until sharing is tried again */
#define LEAST_SHARE -64 /* lowest, however many writes */

/*
 * Is sharing worth it for @b?  Where pages are read and then written, it costs
 * a fault and gains nothing.
 */
static bool pays_here(struct block *b)
{
	if (b->share < 0)
		b->share++;
	return b->share >= 0;
}

/* A clean page of @b was written to.  Caller holds b->lock. */
void clean_written(struct block *b)
{
	int share = b->share - WRITE_COSTS;

	b->share = (int8_t)(share < LEAST_SHARE ? LEAST_SHARE : share);
}

/*
 * Should a page of @b that comes home for a read keep its page on @dev?  Caller
 * holds b->lock.
 */
bool clean_wanted(struct uhmm *u, struct block *b,
		  const struct uhmm_device *dev)
{
	uint64_t room = pagemap_room(&dev->pagemap);

	if (dev->is_file)
		return u->mm->can_share;
	return u->mm->can_share && !block_file(b) && !move_is_shared(u, b) &&
	       pays_here(b) && !dev->pagemap.closed && !u->charge.keep &&
	       charge_is_limited(u, b, 0) &&
	       !charge_is_limited(u, b, dev->id) &&
	       room > dev->pagemap.npages / 4 && charge_affords_copy(dev);
}

/* ---- Giving the copy up ----------------------------------------------- */

/*
 * If a page cannot be unprotected, because the address space is changing, this
 * fails, and a fault ends with MM_RETRY: the thread touches the page again.  By
 * then it is plain RAM, and a fault on protected RAM unprotects it.
 */
int clean_break_unlock(struct uhmm *u, struct block *b,
		       const struct mm_set *want,
		       const struct uhmm_device *only)
{
	uint64_t words[MM_BLOCK_PAGES];
	struct mm_set broken;
	unsigned n = 0;
	int err = 0;

	set_clear(&broken);
	if (!b->nr[P_CLEAN])
		goto out;
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		if (page_state(w) != P_CLEAN ||
		    (only && page_dev(w) != only->id))
			continue;
		words[n++] = w;
		set_add(&broken, i);
		block_home(u, b, i, E_HOME);
	}
	set_for_each_run(&broken, first, last) {
		uintptr_t va = b->va + first * MM_PAGE_SIZE;
		int e = u->mm->ops->unprotect(u->mm, va, last - first);

		for (unsigned i = first; e && i < last; i++)
			block_mark(b, i);
		err = e ? e : err;
	}
out:
	block_unlock(u, b);
	device_free_words(u, words, n);
	return err;
}

/* ---- Leaving ---------------------------------------------------------- */

/* Clean pages of @o that leave RAM, and their former words. */
struct drop {
	struct out o;
	uint64_t word[MM_BLOCK_PAGES];
	struct mm_set refused;
	struct mm_set back; /* in frames, and to be at their addresses */
};

/* Has the page left its address: is it in a frame, or was there a hole? */
static bool is_page_gone(const struct out *o, unsigned i)
{
	return set_has(&o->f.framed, i) || set_has(&o->f.holes, i);
}

/* Is the page in its frame, but must go back because it is pinned? */
static bool is_drop_refused(const struct out *o, unsigned i)
{
	return set_has(&o->f.framed, i) && o->f.why[i];
}

/* Is the device page of @word lost?  Then the page in RAM has the only data. */
static bool has_lost(struct uhmm *u, uint64_t word)
{
	return device_has_lost(device_get(u, page_dev(word)), page_dpfn(word));
}

/*
 * Page @i stays in RAM.  If it is still at its address it may be unprotected
 * (see stash() in mm.h), and a write would go unseen: so it becomes plain RAM.
 */
static void keep_page(struct drop *d, unsigned i)
{
	struct out *o = &d->o;
	struct mm_set one;

	if (set_has(&o->f.framed, i)) {
		set_clear(&one);
		set_add(&one, i);
		out_give_back(o, &one);
	} else if (set_has(&o->f.holes, i)) {
		block_poison(o->m.u, o->m.b, i);
	} else {
		block_home(o->m.u, o->m.b, i, E_HOME);
		block_mark(o->m.b, i);
	}
}

static void dropped(struct drop *d, unsigned i)
{
	struct out *o = &d->o;
	uint64_t was = d->word[i];

	if (!out_was_overtaken(o, i, &d->back)) {
		if (is_page_gone(o, i) && !has_lost(o->m.u, was) &&
		    !is_drop_refused(o, i)) {
			block_arrive(o->m.u, o->m.b, i, page_dev(was),
				     page_dpfn(was), E_ARRIVE);
			o->m.went++;
			return;
		}
		keep_page(d, i);
	}
	o->gone[o->ngone++] = was;
}

/*
 * The pages that freeze() refused for good: when the child of a fork(2) is
 * gone, only a write makes a page movable.  Caller holds the block's lock.
 */
static struct mm_set refused_pages(const struct out *o)
{
	struct mm_set ret;

	set_clear(&ret);
	set_for_each(&o->f.want, i)
		if (o->f.why[i] && o->f.why[i] != UHMM_WHY_BUSY &&
		    o->f.why[i] != UHMM_WHY_POISONED && !set_has(&o->f.left, i))
			set_add(&ret, i);
	return ret;
}

/*
 * Take the pages that can be moved one by one, without unlocking.  Caller holds
 * the block's lock.
 */
static void drop_by_move(struct drop *d, const struct mm_set *want)
{
	struct out *o = &d->o;

	set_for_each(want, i) {
		uint64_t w = block_word(o->m.b, i);

		if (page_state(w) == P_CLEAN && !has_lost(o->m.u, w))
			set_add(&o->f.want, i);
	}
	if (out_take_frames(o))
		return;
	d->refused = refused_pages(o);
	set_for_each(&o->f.want, i) {
		uint64_t w = block_word(o->m.b, i);

		d->word[i] = w;
		if (!is_page_gone(o, i))
			continue;
		block_arrive(o->m.u, o->m.b, i, page_dev(w), page_dpfn(w),
			     E_ARRIVE);
		o->m.went++;
	}
	out_set_aside(o);
}

/*
 * Take the other pages by moving their mapping.  Called and returns with the
 * block's lock held, but releases it for a while.
 */
static void drop_by_stash_relock(struct drop *d) NOT_GUARDED
{
	struct out *o = &d->o;

	block_unlock(o->m.u, o->m.b);
	out_take_aside_lock(o);
	set_clear(&d->back);
	set_for_each(&o->left, i)
		dropped(d, i);
	out_give_back(o, &d->back);
	o->m.b->stash = NULL;
}

/* Pages that cannot be dropped give up their copies. */
static int drop_clean_pages(struct uhmm *u, struct block *b,
			    const struct mm_set *want)
{
	struct drop d;
	bool aside;

	out_init(&d.o, u, b, NULL);
	set_clear(&d.refused);
	d.o.how = OUT_EVICT;
	if (out_give_slot(u, b, want))
		return 0;
	block_lock(b);
	drop_by_move(&d, want);
	aside = !set_empty(&d.o.left);
	if (aside)
		drop_by_stash_relock(&d);
	block_release_slot(u, b);
	clean_break_unlock(u, b, &d.refused, NULL);
	if (aside)
		block_settle(u, b, false);
	out_free_gone(&d.o);
	return (int)d.o.m.went;
}

int clean_drop(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	bool none;

	block_lock(b);
	none = !b->nr[P_CLEAN];
	block_unlock(u, b);
	return none ? 0 : drop_clean_pages(u, b, want);
}
