/* SPDX-License-Identifier: MIT */
/*
 * fixed.c - device memory that is mapped, counted and mirrored, and never
 * migrated: persistent memory under a filesystem, a window of a device.
 *
 * The application maps such memory and owns the mapping. userfaultfd knows
 * nothing of it, so it costs the CPU nothing, and no event tells of its end:
 * the application calls uhmm_device_unmap() or uhmm_notify_begin() before it
 * unmaps the memory.  These ranges are no regions.  Where a caller asks for the
 * words of such pages, fixed_words() fills in words like those of a coherent
 * device.
 *
 * Fixed mappings are few and seldom change: a sorted list under a lock.
 */
#include <errno.h>

#include "core/coherent/fixed.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/page/slab.h"
#include "sys/waits.h"

#define UNMAP_TRIES 10000

/* @word: of the first page */
struct fixed {
	struct fixed *next;
	uintptr_t start, end;
	uint64_t word;
};

size_t fixed_size(void)
{
	return sizeof(struct fixed);
}

/* Is there no fixed mapping at all? */
static bool has_no_fixed(struct uhmm *u)
{
	return !atomic_load_explicit(&u->fixed.nr, memory_order_acquire);
}

static uint64_t fixed_word_at(const struct fixed *f, uintptr_t va)
{
	return f->word + (((uint64_t)(va - f->start) >> MM_PAGE_SHIFT)
			  << PAGE_DPFN_SHIFT);
}

/* ---- The list; the caller holds its lock ------------------------------- */

/* The link to the first entry that ends after @start. */
static struct fixed **find_fixed(struct uhmm *u, uintptr_t start)
{
	struct fixed **at = &u->fixed.list;

	while (*at && (*at)->end <= start)
		at = &(*at)->next;
	return at;
}

static void count_fixed(struct uhmm *u, const struct fixed *f, bool more)
{
	struct uhmm_device *dev = device_get(u, page_dev(f->word));
	int64_t n = (int64_t)((f->end - f->start) >> MM_PAGE_SHIFT);

	n = more ? n : -n;
	atomic_fetch_add(&u->fixed.pages, n);
	atomic_fetch_add(&dev->fixed, n);
}

static struct fixed *link_fixed(struct uhmm *u, struct fixed **at,
				uintptr_t start, uintptr_t end, uint64_t word)
{
	struct fixed *f = slab_alloc(&u->fixed.slab);

	if (!f)
		return NULL;
	f->next = *at;
	f->start = start;
	f->end = end;
	f->word = word;
	*at = f;
	count_fixed(u, f, true);
	atomic_fetch_add(&u->fixed.nr, 1);
	return f;
}

static void unlink_one(struct uhmm *u, struct fixed **at)
{
	struct fixed *f = *at;

	*at = f->next;
	count_fixed(u, f, false);
	slab_free(&u->fixed.slab, f);
	atomic_fetch_sub(&u->fixed.nr, 1);
}

/*
 * Take [start, end) out of the entry at @at.  Return: 0, or -ENOMEM and the
 * entry is unchanged.
 */
static int cut_fixed(struct uhmm *u, struct fixed **at, uintptr_t start,
		     uintptr_t end)
{
	struct fixed *f = *at;
	uintptr_t last = f->end;

	if (f->start < start && last > end &&
	    !link_fixed(u, &f->next, end, last, fixed_word_at(f, end)))
		return -ENOMEM;
	count_fixed(u, f, false);
	if (f->start < start) {
		f->end = start;
	} else {
		f->word = fixed_word_at(f, end);
		f->start = end;
	}
	count_fixed(u, f, true);
	return 0;
}

/*
 * [start, ...) of @f is unmapped, and there is no memory for an entry for the
 * part that is still mapped behind.  Forget that part too: devices cannot use
 * it then, but no page is taken for a device page that it is not.
 */
static void cut_off(struct uhmm *u, struct fixed *f, uintptr_t start)
{
	sys_logf(&u->log, SYS_ERR, "no memory to keep device pages at %#lx",
		 (unsigned long)start);
	count_fixed(u, f, false);
	f->end = start;
	count_fixed(u, f, true);
}

static int take_out(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct fixed **at = find_fixed(u, start);
	int err = 0;

	while (*at && (*at)->start < end && !err) {
		if ((*at)->start >= start && (*at)->end <= end) {
			unlink_one(u, at);
			continue;
		}
		err = cut_fixed(u, at, start, end);
		at = &(*at)->next;
	}
	return err;
}

/* ---- Looking up --------------------------------------------------------- */

bool fixed_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		uintptr_t *ret_start, uintptr_t *ret_end, uint64_t *ret_word)
{
	const struct fixed *f;
	bool found;

	if (has_no_fixed(u))
		return false;
	sys_mutex_lock(&u->fixed.lock);
	f = *find_fixed(u, start);
	found = f && f->start < end;
	if (found) {
		*ret_start = f->start > start ? f->start : start;
		*ret_end = f->end < end ? f->end : end;
		*ret_word = fixed_word_at(f, *ret_start);
	}
	sys_mutex_unlock(&u->fixed.lock);
	return found;
}

void fixed_words(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uint64_t *words)
{
	uintptr_t at = start, s, e;
	uint64_t w;

	while (at < end && fixed_next(u, at, end, &s, &e, &w)) {
		if (device_is_lost(device_get(u, page_dev(w))))
			w = page_on_device(P_POISONED, page_dev(w),
					   page_dpfn(w));
		for (at = s; at < e; at += MM_PAGE_SIZE) {
			words[(at - start) >> MM_PAGE_SHIFT] = w;
			w += UINT64_C(1) << PAGE_DPFN_SHIFT;
		}
	}
}

/* ---- Mapping and unmapping --------------------------------------------- */

/* -ENOMEM: a part is unmapped; -ENXIO: something else is mapped there. */
static int check_fixed_mapped(struct uhmm_device *dev, uintptr_t start,
			      uintptr_t end, uint64_t dpfn)
{
	const struct mm_ops *ops = dev->u->mm->ops;
	uintptr_t at = start;
	struct mm_extent e;

	while (at < end) {
		uint64_t offset = dpfn * MM_PAGE_SIZE + (at - start);
		ssize_t n = ops->survey(dev->u->mm, at, end, &e, 1);

		if (n != 1)
			return n < 0 ? (int)n : -EIO;
		if (e.kind == MM_UNMAPPED)
			return -ENOMEM;
		if (!ops->is_placed(dev->u->mm, at, dev->desc.fd,
				    dev->desc.offset + offset))
			return -ENXIO;
		at = e.end;
	}
	return 0;
}

/*
 * Memory of a file is never managed.  If addresses are, another thread unmapped
 * what was there a moment ago, and its event is about to come.
 */
static bool is_unmanaged(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct sys_wait w = { .all = &u->waits,
			      .what = "an unmap to be told at",
			      .at = start };
	uintptr_t s, e;
	bool managed;

	for (int tries = 0; tries < UNMAP_TRIES; tries++) {
		managed = region_next(u, start, end, &s, &e);
		if (!managed)
			break;
		sys_wait_yield(&w);
	}
	sys_wait_end(&w);
	return !managed;
}

int do_device_map(struct uhmm_device *dev, uintptr_t addr, size_t len,
		  uint64_t dpfn)
{
	uint64_t word = page_on_device(P_COHERENT, dev->id, dpfn);
	uintptr_t end = addr + len;
	struct uhmm *u = dev->u;
	struct fixed **at;
	int err;

	err = check_fixed_mapped(dev, addr, end, dpfn);
	if (err)
		return err;
	if (!is_unmanaged(u, addr, end))
		return -EBUSY;
	sys_mutex_lock(&u->fixed.lock);
	at = find_fixed(u, addr);
	if (device_is_lost(dev) || dev->pagemap.closed)
		err = -ENODEV;
	else if (*at && (*at)->start < end)
		err = -EBUSY;
	else if (!link_fixed(u, at, addr, end, word))
		err = -ENOMEM;
	sys_mutex_unlock(&u->fixed.lock);
	return err;
}

/*
 * Forget the mappings first, so that no mirror enters them again; then
 * invalidate.
 */
static int forget_fixed(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	int err;

	sys_mutex_lock(&u->fixed.lock);
	err = take_out(u, start, end);
	sys_mutex_unlock(&u->fixed.lock);
	if (!err)
		mirror_invalidate(u, start, end, UHMM_NOTIFY_UNMAP);
	return err;
}

int do_device_unmap(struct uhmm_device *dev, uintptr_t addr, size_t len)
{
	uintptr_t at = addr, end = addr + len, s, e;
	uint64_t w;

	while (at < end) {
		if (!fixed_next(dev->u, at, end, &s, &e, &w) || s != at ||
		    page_dev(w) != dev->id)
			return -EINVAL;
		at = e;
	}
	return forget_fixed(dev->u, addr, end);
}

void fixed_unmap(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	if (has_no_fixed(u))
		return;
	sys_mutex_lock(&u->fixed.lock);
	/* Only the first entry can need memory: if it reaches behind @end. */
	if (take_out(u, start, end))
		cut_off(u, *find_fixed(u, start), start);
	sys_mutex_unlock(&u->fixed.lock);
}

void fixed_device_gone(struct uhmm_device *dev)
{
	const uintptr_t end = (uintptr_t)1 << VA_BITS;
	uintptr_t at = 0, s, e;
	uint64_t w;

	while (fixed_next(dev->u, at, end, &s, &e, &w)) {
		if (page_dev(w) == dev->id)
			forget_fixed(dev->u, s, e);
		at = e;
	}
}

void fixed_destroy(struct uhmm *u)
{
	slab_destroy(&u->fixed.slab);
}

/* ---- Public ------------------------------------------------------------ */

static int check(struct uhmm_device *dev, const void *addr, size_t len)
{
	if (!dev || !device_is_fixed(dev))
		return -EINVAL;
	return range_check(dev->u, addr, len);
}

int uhmm_device_map(struct uhmm_device *dev, void *addr, size_t len,
		    uint64_t dpfn)
{
	struct request req = { .op = REQ_DEVICE_MAP,
			       .dev = dev,
			       .addr = (uintptr_t)addr,
			       .len = len,
			       .dpfn = dpfn };
	uint64_t n = len >> MM_PAGE_SHIFT;
	int err = check(dev, addr, len);

	if (err)
		return err;
	if (dpfn >= dev->desc.npages || n > dev->desc.npages - dpfn)
		return -EINVAL;
	return (int)request_run(dev->u, &req);
}

int uhmm_device_unmap(struct uhmm_device *dev, void *addr, size_t len)
{
	struct request req = { .op = REQ_DEVICE_UNMAP,
			       .dev = dev,
			       .addr = (uintptr_t)addr,
			       .len = len };
	int err = check(dev, addr, len);

	return err ? err : (int)request_run(dev->u, &req);
}
