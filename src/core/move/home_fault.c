/* SPDX-License-Identifier: MIT */
/*
 * home_fault.c - a CPU fault on a page that is on a device.
 *
 * Most faults bring home one page: mapped straight from the device where the
 * CPU can read it, or through a bounce page, which is claimed without a lock
 * and without a system call.  The fault of a stream brings home a run, by
 * home_run_unlock().
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/device/move.h"
#include "core/move/clean.h"
#include "core/move/home.h"
#include "core/move/kept_home.h"
#include "core/move/out_steps.h"
#include "core/move/unchanged.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- Bounce pages ----------------------------------------------------- */

int home_init(struct uhmm *u)
{
	u->bounce.pages = sys_alloc(NR_BOUNCE * MM_PAGE_SIZE);
	return u->bounce.pages ? 0 : -ENOMEM;
}

void home_destroy(struct uhmm *u)
{
	sys_free(u->bounce.pages, NR_BOUNCE * MM_PAGE_SIZE);
}

/* Return: the number of a free bounce page, or NR_BOUNCE: all are in use. */
static unsigned bounce_get(struct bounce *p)
{
	uint64_t used = atomic_load_explicit(&p->used, memory_order_relaxed);

	while (used != ~UINT64_C(0)) {
		unsigned bit = (unsigned)__builtin_ctzll(~used);

		if (atomic_compare_exchange_weak(&p->used, &used,
						 used | UINT64_C(1) << bit))
			return bit;
	}
	return NR_BOUNCE;
}

static void bounce_put(struct bounce *p, unsigned bit)
{
	atomic_fetch_and(&p->used, ~(UINT64_C(1) << bit));
}

/* ---- One page: the common fault --------------------------------------- */

/*
 * The page is mapped, by this thread or (-EEXIST) before.  Releases the block's
 * lock.
 */
static enum mm_outcome lone_mapped_unlock(const struct run *l, ssize_t n,
					  const struct digest *d)
	LETS_GO(l->b->lock)
{
	enum home_copy copy = n == 1 ? l->copy : HOME_FREE;
	bool keeps = copy == HOME_SHARE;

	home_mapped(l->u, l->b, l->first, keeps);
	if (copy == HOME_TWIN)
		keeps = unchanged_keep(l->u, l->b, l->first, l->dev, l->dpfn,
				       d);
	block_unlock(l->u, l->b);
	count_add(&l->u->count.to_ram, 1);
	if (!keeps)
		device_free(l->dev, &l->dpfn, 1);
	return n == 1 ? MM_RESOLVED : MM_RETRY;
}

static int lone_read(const struct run *l, void *ram)
{
	struct uhmm_segment seg = { l->dpfn, ram, 1 };
	int err = -EIO;

	for (int k = 0; k < HOME_ATTEMPTS && err && !device_is_lost(l->dev);
	     k++)
		err = device_copy_out(l->dev, &seg, 1,
				      l->b->va + l->first * MM_PAGE_SIZE);
	return err;
}

/* Releases the block's lock. */
static enum mm_outcome lone_lost_unlock(const struct run *l) LETS_GO(l->b->lock)
{
	block_poison(l->u, l->b, l->first);
	block_unlock(l->u, l->b);
	device_free(l->dev, &l->dpfn, 1);
	return MM_SIGBUS;
}

static enum mm_outcome lone_finish(const struct run *l, const void *ram,
				   int err)
{
	struct digest d;
	ssize_t n;

	if (l->copy == HOME_TWIN && !err)
		digest_take(&l->u->digest_key, ram, &d);
	block_lock(l->b);
	if (!page_is_coming(l->b, l->first, l->dev, l->dpfn)) {
		/* the word changed meanwhile */
		block_unlock(l->u, l->b);
		device_free(l->dev, &l->dpfn, 1);
		return MM_RETRY;
	}
	if (err)
		return lone_lost_unlock(l);
	n = home_map(l->u, l->b, l->first, l->first + 1, ram, NULL,
		     l->copy == HOME_SHARE);
	if (n == 1 || n == -EEXIST)
		return lone_mapped_unlock(l, n, &d);
	if (device_has_lost(l->dev, l->dpfn))
		return lone_lost_unlock(l);
	block_arrive(l->u, l->b, l->first, l->dev->id, l->dpfn, E_STAY);
	block_unlock(l->u, l->b);
	return MM_RETRY;
}

static enum mm_outcome lone_bounce_unlock(const struct run *l)
	LETS_GO(l->b->lock)
{
	unsigned bit = bounce_get(&l->u->bounce);
	char *ram = l->u->bounce.pages + bit * MM_PAGE_SIZE;
	uintptr_t va = l->b->va + l->first * MM_PAGE_SIZE;
	enum mm_outcome out;
	int err;

	if (bit == NR_BOUNCE) { /* their holders may wait for this lock */
		block_unlock(l->u, l->b);
		sys_yield();
		return MM_RETRY;
	}
	block_arrive(l->u, l->b, l->first, l->dev->id, l->dpfn, E_FETCH);
	block_unlock(l->u, l->b);
	mirror_invalidate(l->u, va, va + MM_PAGE_SIZE, UHMM_NOTIFY_MIGRATE);
	err = lone_read(l, ram);
	out = lone_finish(l, ram, err);
	bounce_put(&l->u->bounce, bit);
	block_settle(l->u, l->b, false);
	return out;
}

int home_lone_unlock(struct uhmm *u, struct block *b,
		     unsigned i) NOT_GUARDED /* the block of the run is @b */
{
	uint64_t w = block_word(b, i);
	struct run l = { u,	   b, device_get(u, page_dev(w)),
			 i,	   1, page_dpfn(w),
			 HOME_FREE };

	return lone_bounce_unlock(&l) == MM_SIGBUS ? -EIO : 0;
}

/* ---- Straight from the device ------------------------------------------ */

/*
 * Return: 0: not possible, and b->lock is still held; otherwise it is released.
 */
static enum mm_outcome fault_direct_unlock(struct uhmm *u, struct block *b,
					   unsigned i, unsigned n,
					   enum home_copy copy) LETS_GO(b->lock)
{
	ssize_t got = home_map_direct_unlock(u, b, i, n, copy);

	if (!got)
		return 0;
	return got < 0 ? MM_RETRY : MM_RESOLVED;
}

/* ---- A run: the fault of a stream -------------------------------------- */

static enum mm_outcome fault_run_unlock(struct uhmm *u, struct block *b,
					unsigned i, unsigned n,
					enum home_copy copy) LETS_GO(b->lock)
{
	switch (home_run_unlock(u, b, i, n, copy)) {
	case 0:
		return MM_RESOLVED;
	case -EIO:
		return MM_SIGBUS;
	default:
		return MM_RETRY;
	}
}

static enum home_copy what_stays(struct uhmm *u, struct block *b,
				 const struct uhmm_device *dev, bool write)
{
	if (write)
		return HOME_FREE;
	if (clean_wanted(u, b, dev))
		return HOME_SHARE;
	return unchanged_wanted(u, b, dev) ? HOME_TWIN : HOME_FREE;
}

enum mm_outcome
home_fault_unlock(struct uhmm *u, struct block *b, unsigned i, unsigned n,
		  bool write) NOT_GUARDED /* the block of the run is @b */
{
	uint64_t w = block_word(b, i);
	struct uhmm_device *dev = device_get(u, page_dev(w));
	enum home_copy copy = what_stays(u, b, dev, write);
	struct run l = { u, b, dev, i, 1, page_dpfn(w), copy };
	enum mm_outcome out = 0;
	int err = kept_home_run_unlock(u, b, i, n);

	if (err != -ENOENT)
		return err ? MM_RETRY : MM_RESOLVED;
	if (n < MM_BLOCK_PAGES || !b->huge)
		out = fault_direct_unlock(u, b, i, n, copy);
	if (out)
		return out;
	return n > 1 ? fault_run_unlock(u, b, i, n, copy) :
		       lone_bounce_unlock(&l);
}
