/* SPDX-License-Identifier: MIT */
/*
 * home_map.c - pages appear at their addresses: from frames, from a bounce
 * page, or straight from device memory that the CPU can read.  One block, which
 * is locked except while the provider is asked where that memory is.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/device/move.h"
#include "core/move/home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- Mapping ---------------------------------------------------------- */

/*
 * Map pages [i, last) from @ram; @frames: they lie in a slot and may be moved;
 * @share: write-protected.
 * Return: pages mapped, or -errno for the first.
 */
ssize_t home_map(struct uhmm *u, struct block *b, unsigned i, unsigned last,
		 const char *ram, struct slot *frames, bool share)
{
	const struct mm_ops *ops = u->mm->ops;
	uintptr_t va = b->va + i * MM_PAGE_SIZE;
	bool moved = false;
	ssize_t n;

	if (share)
		return ops->fill_shared(u->mm, va, ram, last - i);
	if (!frames || last - i < HOME_GIVE_PAGES || !u->mm->can_move)
		return ops->fill(u->mm, va, ram, last - i);
	n = ops->give(u->mm, va, (uintptr_t)ram, last - i, &moved);
	if (n > 0 && moved) {
		set_del_run(&frames->stock, i, i + (unsigned)n);
		frames->huge = false;
	}
	return n;
}

int home_thaw(struct uhmm *u, struct block *b, unsigned i, unsigned last)
{
	const char *ram = (char *)block_slot_va(u, b) + i * MM_PAGE_SIZE;
	bool is_read = page_state(block_word(b, i)) == P_LEAVING;
	ssize_t n;

	/*
	 * A frame that the provider is reading must not be moved: reading a
	 * frame that is gone would leave a page of zeroes in its place.
	 */
	n = home_map(u, b, i, last, ram, is_read ? NULL : slot_of(u, b->slot),
		     false);
	if (n == -EEXIST) /* it is there after all: that one counts */
		n = 1;
	for (ssize_t k = 0; k < n; k++)
		block_home(u, b, i + (unsigned)k, E_HOME);
	if (n > 0)
		kept_copied(u, b, i, (unsigned)n);
	return (int)n;
}

struct mm_set home_thaw_set(struct uhmm *u, struct block *b,
			    const struct mm_set *set, enum page_state state)
{
	struct mm_set todo, ret;

	set_clear(&todo);
	set_clear(&ret);
	set_for_each(set, i)
		if (page_state(block_word(b, i)) == state)
			set_add(&todo, i);
	for (unsigned i = set_find(&todo, 0, true); i < MM_BLOCK_PAGES;
	     i = set_find(&todo, i, true)) {
		int n = home_thaw(u, b, i, set_find(&todo, i, false));

		if (n > 0)
			set_add_run(&ret, i, i + (unsigned)n);
		i += n > 0 ? (unsigned)n : 1;
	}
	return ret;
}

/* ---- Without a copy of ours: the CPU can read the device's memory ------- */

/* The run of device pages from @i that are consecutive on the device too. */
static unsigned direct_run(const struct block *b, unsigned i, unsigned n)
{
	uint64_t w = block_word(b, i);
	unsigned k = 1;

	while (k < n &&
	       block_word(b, i + k) == w + ((uint64_t)k << PAGE_DPFN_SHIFT))
		k++;
	return k;
}

static ssize_t fill_home(struct uhmm *u, uintptr_t va, const void *p,
			 unsigned n, bool share)
{
	return share ? u->mm->ops->fill_shared(u->mm, va, p, n) :
		       u->mm->ops->fill(u->mm, va, p, n);
}

/* The page is mapped; @share: write-protected, and it keeps its device page. */
void home_mapped(struct uhmm *u, struct block *b, unsigned i, bool share)
{
	uint64_t w = block_word(b, i);

	if (share)
		block_arrive(u, b, i, page_dev(w), page_dpfn(w), E_SHARE);
	else
		block_home(u, b, i, E_HOME);
}

/*
 * A run of pages for which direct() is called.
 * @drop: pages that the application dropped meanwhile; this thread frees their
 *	device pages
 */
struct direct {
	struct run r;
	struct mm_set drop;
};

static bool shares(const struct direct *d)
{
	return d->r.copy == HOME_SHARE;
}

static bool is_run_ours(const struct run *r, unsigned k)
{
	return page_is_coming(r->b, r->first + k, r->dev, r->dpfn + k);
}

/*
 * Map the first pages of the run, as far as their words are unchanged.  Return:
 * pages, -errno.
 */
static ssize_t map_direct(struct direct *d, const void *p)
{
	uintptr_t va = block_addr(d->r.b, d->r.first);
	unsigned n = 0;
	ssize_t got;

	while (n < d->r.n && is_run_ours(&d->r, n))
		n++;
	if (!n)
		return 0;
	got = fill_home(d->r.u, va, p, n, shares(d));
	for (ssize_t k = 0; k < got; k++)
		home_mapped(d->r.u, d->r.b, d->r.first + (unsigned)k,
			    shares(d));
	if (got != -EEXIST) /* it is there already: that one counts */
		return got;
	home_mapped(d->r.u, d->r.b, d->r.first, false);
	set_add(&d->drop, 0);
	return 1;
}

/* The other pages stay on the device, or are lost with it. */
static void leave_rest(struct direct *d, unsigned from)
{
	for (unsigned k = from; k < d->r.n; k++) {
		unsigned i = d->r.first + k;
		uint64_t dpfn = d->r.dpfn + k;

		if (!is_run_ours(&d->r, k)) {
			if (!carried_take(d->r.u, d->r.dev->id, dpfn))
				set_add(&d->drop, k);
		} else if (device_has_lost(d->r.dev, dpfn)) {
			block_poison(d->r.u, d->r.b, i);
			set_add(&d->drop, k);
		} else {
			block_arrive(d->r.u, d->r.b, i, d->r.dev->id, dpfn,
				     E_STAY);
		}
	}
}

/* Unlocks. */
static void end_direct_unlock(struct direct *d, unsigned got)
	LETS_GO(d->r.b->lock)
{
	block_unlock(d->r.u, d->r.b);
	block_settle(d->r.u, d->r.b, false);
	count_add(&d->r.u->count.to_ram, got);
	if (got && !shares(d))
		set_add_run(&d->drop, 0, got);
	set_for_each_run(&d->drop, first, last)
		device_free_run(d->r.dev, d->r.dpfn + first, last - first);
}

/*
 * Called and returns with the block's lock held, but releases it for a while.
 */
static ssize_t ask_direct_relock(struct direct *d) NOT_GUARDED
{
	struct call *call;
	const void *p;
	ssize_t got = 0;

	for (unsigned k = 0; k < d->r.n; k++)
		block_arrive(d->r.u, d->r.b, d->r.first + k, d->r.dev->id,
			     d->r.dpfn + k, E_FETCH);
	block_unlock(d->r.u, d->r.b);
	p = device_direct(d->r.dev, d->r.dpfn, d->r.n, &call);
	block_lock(d->r.b);
	if (p)
		got = map_direct(d, p);
	leave_rest(d, got > 0 ? (unsigned)got : 0);
	if (p)
		device_direct_end(d->r.dev, call);
	return p && !got ? -EAGAIN : got;
}

/*
 * Map up to @n pages from @i on.  No page keeps its device page as a twin.
 * Called with b->lock held.  Return: 0: not possible, and b->lock is still
 * held.  Otherwise b->lock is released: pages mapped, or -errno: try again.
 */
ssize_t home_map_direct_unlock(struct uhmm *u, struct block *b, unsigned i,
			       unsigned n, enum home_copy copy)
	NOT_GUARDED /* the block of the run is @b */
{
	uint64_t w = block_word(b, i);
	struct direct d = {
		.r = {
			.u = u,
			.b = b,
			.dev = device_get(u, page_dev(w)),
			.first = i,
			.n = direct_run(b, i, n),
			.dpfn = page_dpfn(w),
			.copy = copy,
		},
	};
	ssize_t got;

	/* Pages that a mirror covers need an invalidation first. */
	if (!(d.r.dev->desc.flags & UHMM_DEVICE_CONCURRENT) ||
	    !d.r.dev->ops.direct || mirror_covers(u, block_addr(b, i)))
		return 0;
	set_clear(&d.drop);
	got = ask_direct_relock(&d);
	if (!got && set_empty(&d.drop) && block_word(b, i) == w &&
	    !atomic_load(&b->waiting))
		return 0;
	end_direct_unlock(&d, got > 0 ? (unsigned)got : 0);
	return got ? got : -EAGAIN;
}
