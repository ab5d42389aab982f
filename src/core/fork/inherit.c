/* SPDX-License-Identifier: MIT */
/*
 * inherit.c - the context of a child of fork(2) where pages stayed away.
 *
 * DOC: Heirs
 *
 * If a device's memory is the process's own (UHMM_DEVICE_FORKS), its pages need
 * not come home before a fork: the child has a copy of that memory, which the
 * kernel shares until it is written to.  The child opens a context anew, on
 * the userfaultfd that the fork event brought, and takes over from its copy of
 * the old context which pages are away, and where.  The heir's devices are only
 * read: no page goes there, and a device page that is freed stays as it is.
 *
 * The old context is not at rest at that moment.  Other threads may have been
 * in faults, in events and in calls of devices, and hold any lock.  But a
 * fork sees all memory as it is at one moment, and the words are such that
 * each is true by itself at any moment:
 *
 * - moves to devices have ended, since the gate is closed: if a word says that
 *   its page is on a device, the device has all the page's data;
 * - the device page is freed only when the word has changed;
 * - the word changes after the page is mapped: if it is mapped, it is home.
 *
 * The heir takes no lock of the old context; the child has one thread.  No page
 * is frozen at that moment.  A page that was home and on a device as well is
 * home: it is write-protected, and the fault of the first write unprotects it.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/device.h"
#include "core/fork/fork.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* ---- Devices ---------------------------------------------------------- */

static int refuse_copy(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	(void)seg;
	(void)nr;
	return -ENOSPC;
}

static int inherit_device(struct uhmm *u, const struct uhmm_device *old)
{
	struct uhmm_device *dev = sys_alloc(sizeof(*dev));
	int err;

	if (!dev)
		return -ENOMEM;
	dev->u = u;
	dev->id = old->id;
	dev->desc = old->desc;
	dev->priv = old->priv;
	dev->ops.size = sizeof(dev->ops);
	dev->ops.copy_to_devmem = refuse_copy;
	dev->ops.copy_to_ram = old->ops.copy_to_ram;
	dev->ops.direct = old->ops.direct;
	memcpy(dev->name, old->name, sizeof(dev->name));
	err = pagemap_init(&dev->pagemap, dev->desc.npages);
	if (err) {
		sys_free(dev, sizeof(*dev));
		return err;
	}
	pagemap_close(&dev->pagemap, true);
	atomic_store(&u->devices[dev->id], dev);
	return watchdog_start(u);
}

static bool is_wanted(const struct uhmm_device *dev)
{
	return dev->desc.flags & UHMM_DEVICE_FORKS &&
	       atomic_load(&dev->pagemap.nused);
}

static int inherit_devices(struct uhmm *u, struct uhmm *old)
{
	device_for_each(old, dev) {
		int err = is_wanted(dev) ? inherit_device(u, dev) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* ---- Pages ------------------------------------------------------------ */

/* The word of a page in the child's context; 0: the page is home there. */
static uint64_t word_for(struct uhmm *u, uint64_t w, bool there)
{
	switch (page_state(w)) {
	case P_CLEAN:
	case P_DEVICE:
	case P_COMING:
		if (there || !device_get(u, page_dev(w)))
			return 0;
		return page_on_device(P_DEVICE, page_dev(w), page_dpfn(w));
	case P_POISONED:
		return P_POISONED;
	default:
		return 0;
	}
}

/* Caller holds b->lock. */
static void inherit_page(struct uhmm *u, struct block *b, unsigned i,
			 uint64_t w)
{
	if (page_state(w) == P_DEVICE)
		pagemap_claim(&device_get(u, page_dev(w))->pagemap,
			      page_dpfn(w));
	block_move_in(u, b, i, w);
}

static int inherit_block(struct uhmm *u, const struct block *old)
{
	struct mm_set managed, there;
	struct block *b;
	int err;

	block_managed(u, old, &managed);
	if (!old->table || set_empty(&managed))
		return 0;
	err = u->mm->ops->resident(u->mm, old->va, 0, MM_BLOCK_PAGES, &there);
	if (err)
		return err;
	b = block_get(u, old->va);
	if (!b)
		return -ENOMEM;
	block_lock(b);
	err = block_ensure_table(u, b);
	if (!err)
		set_for_each(&managed, i)
			inherit_page(u, b, i,
				     word_for(u, old->table[i],
					      set_has(&there, i)));
	block_unlock(u, b);
	return err;
}

static int inherit_blocks(struct uhmm *u, struct uhmm *old)
{
	block_for_each(old, b) {
		int err = inherit_block(u, b);

		if (err)
			return err;
	}
	return 0;
}

/* ---- Regions ---------------------------------------------------------- */

typedef int region_fn(struct uhmm *u, uintptr_t start, uintptr_t end);

static int for_each_region(struct uhmm *u, struct uhmm *of, region_fn *fn)
{
	int err = 0;

	region_for_each(of, 0, (uintptr_t)1 << VA_BITS, s, e) {
		err = fn(u, s, e);
		if (err)
			break;
	}
	return err;
}

static int inherit_all(struct uhmm *u, struct uhmm *old)
{
	int err = inherit_devices(u, old);

	if (!err)
		err = for_each_region(u, old, range_inherit);
	if (!err)
		err = inherit_blocks(u, old);
	if (!err)
		err = for_each_region(u, u, range_seed);
	return err;
}

/*
 * Until this returns a touch of a page that is away blocks or reads zeroes.
 * The child has one thread, and keep_away() has looked at its stack.
 */
int heir_open(struct uhmm *old, int fd)
{
	struct uhmm *u;
	int err = core_reopen(old, fd, &u);

	if (err)
		return err;
	err = inherit_all(u, old);
	if (!err)
		old->heir = u;
	return err;
}

int uhmm_inherit(struct uhmm *u, struct uhmm **ret_u)
{
	if (!u || !ret_u)
		return -EINVAL;
	if (!u->heir)
		return -ENOENT;
	*ret_u = u->heir;
	u->heir = NULL;
	return 0;
}
