/* SPDX-License-Identifier: MIT */
/*
 * lost.c - device memory that is gone: a whole device, or some of its pages.
 *
 * DOC: Finding pages
 *
 * There is no map from device pages to addresses, so all blocks are walked.
 * First the device, or the failed pages in its pagemap, are marked as lost.  A
 * thread that puts a device page into a word afterwards asks device_has_lost()
 * under the block's lock, and treats the page as lost.  So each word is either
 * found by the walk, which locks every block, or never written.
 *
 * A page that is on its way home is lost at once, and the faulting threads that
 * wait for it get their SIGBUS, although the copy goes on.  The thread that
 * copies finds the word changed, and gives up.  Until its copy returns it keeps
 * the frame and the device page.  The walk waits for no callback.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/stats.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/hotplug/hotplug.h"
#include "core/mirror/mirror_api.h"
#include "core/move/clean.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/twin.h"

/* @dev's pages [@first, @last). */
struct loss {
	struct uhmm_device *dev;
	uint64_t first, last;
	uint64_t npages; /* lost so far */
};

/*
 * The pages that one block loses.
 * @kept: pages at rest on the device that have a good frame in RAM
 * @m.set: pages with device memory mapped at their address
 * @dpfn: device pages that no thread is working on, to be freed
 */
struct part {
	struct mm_set lost, clean, kept;
	unsigned nr;
	bool again;
	struct move m; /* from its @dpfn on not initialized */
	uint64_t dpfn[MM_BLOCK_PAGES];
};

/* ---- One block -------------------------------------------------------- */

static bool is_hit(const struct loss *l, uint64_t w)
{
	return page_dev(w) == l->dev->id && page_dpfn(w) >= l->first &&
	       page_dpfn(w) < l->last;
}

static bool has_device_words(const struct block *b)
{
	return block_nr(b, PAGE_NAMES_DPFN) + b->nr[P_STASHING];
}

/*
 * Is the page's mapping moving (out_stash.c)?  Then look again when the move
 * has ended.
 */
static bool is_stashed(uint64_t w)
{
	return page_state(w) == P_STASHING && w & (PAGE_AWAY | PAGE_CHARGED);
}

static void sort_page(struct loss *l, struct block *b, unsigned i,
		      struct part *ret)
{
	uint64_t w = block_word(b, i);
	bool kept = kept_has(l->dev->u, b, i);

	switch (page_state(w)) {
	case P_COHERENT:
	case P_DEVICE:
		if (coherent_is_mapped(l->dev->u, w))
			set_add(&ret->m.set, i);
		ret->m.dpfn[i] = page_dpfn(w);
		ret->dpfn[ret->nr++] = page_dpfn(w);
		set_add(kept ? &ret->kept : &ret->lost, i);
		break;
	case P_COMING: /* its mover frees it */
		if (!kept)
			set_add(&ret->lost, i);
		break;
	case P_CLEAN:
		set_add(&ret->clean, i);
		break;
	default:
		ret->again = ret->again || is_stashed(w);
	}
}

static void find_lost(struct loss *l, struct block *b, struct part *ret)
{
	memset(ret, 0, offsetof(struct part, m));
	move_init(&ret->m, l->dev->u, b, l->dev);
	if (!has_device_words(b))
		return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (is_hit(l, block_word(b, i)))
			sort_page(l, b, i, ret);
}

/*
 * Page @i becomes P_POISONED; the CPU may still map device memory at its
 * address.
 */
static void poison_page(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i);
	bool mapped = coherent_is_mapped(u, w);

	block_event(u, b, i, E_LOSE);
	if (mapped)
		coherent_mark_lost(u, b, i, w);
}

/*
 * The one place where pages at rest on a device become lost.  If a run cannot
 * be poisoned now, because the address space is changing, its pages are
 * poisoned when they are touched.  Locked.
 */
static void poison_pages(struct loss *l, struct block *b,
			 const struct mm_set *set)
{
	struct uhmm *u = l->dev->u;
	unsigned n = set_count(set);

	set_for_each(set, i)
		poison_page(u, b, i);
	set_for_each_run(set, first, last)
		u->mm->ops->poison(u->mm, b->va + first * MM_PAGE_SIZE,
				   last - first);
	count_add(&u->count.poisoned, n);
	l->npages += n;
}

/* The file has the data of some: they come from there.  Return: the others. */
static struct mm_set without_files(struct uhmm *u, struct block *b,
				   const struct mm_set *lost)
{
	struct mm_set same;

	if (!block_file(b))
		return *lost;
	same = set_and(lost, &block_file(b)->same);
	set_for_each(&same, i)
		block_event(u, b, i, E_DISCARD);
	return set_minus(lost, &same);
}

/* Unmap the device's memory from the lost pages. */
static void take_away(struct part *p)
{
	struct swap s = { .m = &p->m, .set = p->m.set };

	if (!set_empty(&s.set))
		coherent_lose(&s);
}

/* Return: whether to look at the block again when a move has ended. */
static bool lose_block(struct loss *l, struct block *b, uint32_t *ret_seen)
{
	struct uhmm *u = l->dev->u;
	struct mm_set lost;
	struct part p;

	block_lock(b);
	*ret_seen = atomic_load(&b->settled);
	twin_end_on(b, l->dev->id, l->first, l->last);
	find_lost(l, b, &p);
	lost = without_files(u, b, &p.lost);
	poison_pages(l, b, &lost);
	set_for_each(&p.kept, i)
		kept_park(u, b, i);
	p.lost = set_or(&p.lost, &p.kept);
	clean_break_unlock(u, b, &p.clean, l->dev); /* unlocks */
	if (set_empty(&p.lost))
		return p.again;
	take_away(&p);
	block_settle(u, b, true);
	if (!device_is_lost(l->dev)) /* they are told of the whole at the end */
		mirror_invalidate_set(u, b, &p.lost, UHMM_NOTIFY_MIGRATE);
	device_free(l->dev, p.dpfn, p.nr);
	return p.again;
}

/* ---- All -------------------------------------------------------------- */

/*
 * How many blocks to walk.  A thread that creates a block later sees the mark.
 */
static uint32_t count_blocks(struct uhmm *u)
{
	uint32_t nr;

	sys_mutex_lock(&u->blocks_lock);
	nr = atomic_load(&u->nr_blocks);
	sys_mutex_unlock(&u->blocks_lock);
	return nr;
}

static void lose_all(struct loss *l, bool wait)
{
	struct uhmm *u = l->dev->u;
	struct sys_wait w = { .all = &u->waits,
			      .what = "a move to end in",
			      .name = l->dev->name };
	uint32_t nr = count_blocks(u), seen;

	for (uint32_t i = 0; i < nr; i++)
		while (lose_block(l, u->blocks[i], &seen) && wait) {
			sys_wait_note(&w);
			block_wait(u->blocks[i], seen);
		}
	sys_wait_end(&w);
	coherent_lose_orphans(l->dev);
}

uint64_t lost_sweep(struct uhmm_device *dev)
{
	struct loss l = { .dev = dev, .last = UINT64_MAX };

	lose_all(&l, false);
	return l.npages;
}

/* ---- A device --------------------------------------------------------- */

/*
 * Mark @dev as lost: no call enters any more, and calls that wait to enter
 * return.  Return: false if it was lost before.
 */
static bool set_lost(struct uhmm_device *dev)
{
	if (atomic_exchange(&dev->is_lost, true))
		return false;
	pagemap_close(&dev->pagemap, true);
	sys_futex_wake(&dev->lock.word, INT32_MAX);
	if (dev->desc.gone) {
		__atomic_store_n(dev->desc.gone, 1, __ATOMIC_SEQ_CST);
		sys_futex_wake((_Atomic uint32_t *)dev->desc.gone, INT32_MAX);
	}
	return true;
}

int do_lost(struct uhmm_device *dev)
{
	uint64_t n;
	int err;

	if (!call_hold(dev))
		return 0; /* @dev is being removed, and has no pages */
	err = device_is_lost(dev) ? 0 : site_lose(dev);
	if (!err && set_lost(dev)) {
		n = lost_sweep(dev);
		sys_logf(&dev->u->log, SYS_ERR,
			 "device %s is lost, and %ju pages with it", dev->name,
			 (uintmax_t)n);
		mirror_device_gone(dev);
		site_forget(dev);
	}
	call_drop(dev);
	if (!err && !call_any(dev)) /* else the watchdog does it */
		device_release(dev);
	return err;
}

/* ---- Some of its pages ------------------------------------------------ */

int do_failed(struct uhmm_device *dev, uint64_t dpfn, uint64_t n)
{
	struct loss l = { .dev = dev, .first = dpfn, .last = dpfn + n };
	int err;

	if (!call_hold(dev))
		return -ENODEV;
	err = device_is_lost(dev) ? -ENODEV :
				    pagemap_fail(&dev->pagemap, dpfn, n);
	if (!err) {
		lose_all(&l, true);
		sys_logf(&dev->u->log, SYS_ERR,
			 "device %s: pages %ju to %ju failed, %ju were lost",
			 dev->name, (uintmax_t)dpfn, (uintmax_t)(dpfn + n - 1),
			 (uintmax_t)l.npages);
	}
	call_drop(dev);
	return err;
}

/* ---- Public ----------------------------------------------------------- */

int uhmm_device_lost(struct uhmm_device *dev)
{
	struct request req = { .op = REQ_LOST, .dev = dev };

	if (!dev)
		return -EINVAL;
	return device_is_site(dev) && !device_is_kmod(dev) ?
		       -EOPNOTSUPP :
		       (int)request_run(dev->u, &req);
}

int uhmm_device_failed(struct uhmm_device *dev, uint64_t dpfn, uint64_t n)
{
	struct request req = {
		.op = REQ_FAILED, .dev = dev, .dpfn = dpfn, .len = n
	};

	if (!dev || !n || dpfn >= dev->desc.npages ||
	    n > dev->desc.npages - dpfn)
		return -EINVAL;
	return device_is_site(dev) ? -EOPNOTSUPP :
				     (int)request_run(dev->u, &req);
}
