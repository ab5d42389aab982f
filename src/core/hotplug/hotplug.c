/* SPDX-License-Identifier: MIT */
/*
 * hotplug.c - devices are added, asked, and removed when their pages are home.
 */
#include <errno.h>
#include <string.h>

#include "core/charge/charge.h"
#include "core/coherent/fixed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/kick.h"
#include "core/context/structs.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/hotplug/hotplug.h"
#include "core/mirror/mirror_api.h"
#include "core/move/home.h"
#include "core/move/unchanged.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "sys/fds.h"

/* ---- Adding ------------------------------------------------------------- */

static int check_kmod(const struct uhmm_device_desc *d)
{
	const uint32_t with = UHMM_DEVICE_KMOD | UHMM_DEVICE_CONCURRENT;

	if (d->type != UHMM_MEMORY_DEVICE_PRIVATE &&
	    d->type != UHMM_MEMORY_DEVICE_COHERENT)
		return -EINVAL;
	return d->flags & ~with || d->fd < 0 ? -EINVAL : 0;
}

/*
 * A device is addressable by the CPU or not, and its pages migrate or not.  A
 * device that is neither is refused: no thread could reach data on it.
 */
static int check_kind(const struct uhmm_device_desc *d)
{
	const uint32_t known = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_NODE |
			       UHMM_DEVICE_FIXED | UHMM_DEVICE_SHARED |
			       UHMM_DEVICE_FORKS | UHMM_DEVICE_TELLS_WRITES |
			       UHMM_DEVICE_KMOD | UHMM_DEVICE_RUNS |
			       UHMM_DEVICE_SLOW_WRITES;

	if (d->flags & ~known)
		return -EINVAL;
	if (d->flags & UHMM_DEVICE_KMOD)
		return check_kmod(d);
	switch (d->type) {
	case UHMM_MEMORY_DEVICE_PRIVATE:
		return d->flags & (UHMM_DEVICE_NODE | UHMM_DEVICE_FIXED) ?
			       -EINVAL :
			       0;
	case UHMM_MEMORY_DEVICE_COHERENT:
		if (d->flags & UHMM_DEVICE_NODE)
			return d->node < 0 || d->flags & UHMM_DEVICE_FIXED ?
				       -EINVAL :
				       0;
		return d->fd < 0 || d->offset % MM_PAGE_SIZE ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int check_desc(const struct uhmm_device_desc *d)
{
	const struct uhmm_device_ops *ops = d->ops;

	if (!d->name || !*d->name || !ops || !d->npages)
		return -EINVAL;
	if (d->npages >> DPFN_BITS)
		return -EINVAL;
	if (ops->size < sizeof(size_t) + 2 * sizeof(void (*)(void)))
		return -EINVAL;
	if (!(d->flags & (UHMM_DEVICE_NODE | UHMM_DEVICE_KMOD)) &&
	    (!ops->copy_to_devmem || !ops->copy_to_ram))
		return -EINVAL;
	return check_kind(d);
}

/* The file must have all the pages that the CPU is to map. */
static int check_file(const struct uhmm_device *dev)
{
	const struct uhmm_device_desc *d = &dev->desc;
	struct mm *mm = dev->u->mm;

	if (d->type != UHMM_MEMORY_DEVICE_COHERENT || device_is_site(dev) ||
	    !mm->ops->can_place)
		return 0;
	return mm->ops->can_place(mm, d->fd, d->offset, d->npages);
}

static int device_init(struct uhmm_device *dev)
{
	int err = check_desc(&dev->desc);

	if (!err)
		err = check_file(dev);
	if (!err)
		err = copy_struct(&dev->ops, sizeof(dev->ops), dev->desc.ops,
				  dev->desc.ops->size);
	if (err)
		return err;
	sys_mutex_set_rank(&dev->lock, RANK_DEVICE);
	dev->site = dev->desc.node;
	dev->tier = dev->desc.type == UHMM_MEMORY_DEVICE_PRIVATE;
	strncpy(dev->name, dev->desc.name, sizeof(dev->name) - 1);
	dev->pagemap.runs = dev->desc.flags & UHMM_DEVICE_RUNS;
	return pagemap_init(&dev->pagemap, dev->desc.npages);
}

/* Without a key no page has a twin, and all are copied. */
static void make_key(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	int err;

	if (!(dev->desc.flags & UHMM_DEVICE_SLOW_WRITES))
		return;
	sys_mutex_lock(&u->devices_lock);
	err = digest_key_make(&u->digest_key);
	sys_mutex_unlock(&u->devices_lock);
	if (err)
		sys_logf(&u->log, SYS_INFO,
			 "no random numbers: %s; pages that were only read are "
			 "copied again",
			 sys_error(err));
}

static int number_device(struct uhmm_device *dev)
{
	struct request req = { .op = REQ_ATTACH, .dev = dev };

	return device_is_site(dev) ? (int)request_run(dev->u, &req) :
				     device_take_number(dev);
}

/* Before the device has a number: no page goes to it by itself. */
static void make_file(struct uhmm_device *dev)
{
	dev->is_file = true;
	dev->tier = false;
	pagemap_close(&dev->pagemap, true);
}

static int make_device(struct uhmm *u, const struct uhmm_device_desc *desc,
		       void *priv, bool is_file, struct uhmm_device **ret_dev)
{
	struct uhmm_device *dev = sys_alloc(sizeof(*dev));
	int err;

	if (!dev)
		return -ENOMEM;
	dev->u = u;
	dev->priv = priv;
	err = copy_struct(&dev->desc, sizeof(dev->desc), desc, desc->size);
	if (!err)
		err = device_init(dev);
	if (!err && is_file)
		make_file(dev);
	if (!err)
		err = watchdog_start(u);
	if (!err)
		err = sys_fds_hold(); /* descriptors that the provider keeps */
	if (!err)
		err = number_device(dev);
	if (err) {
		pagemap_destroy(&dev->pagemap);
		sys_free(dev, sizeof(*dev));
		return err;
	}
	make_key(dev);
	*ret_dev = dev;
	policy_kick(u);
	return 0;
}

int uhmm_device_add(struct uhmm *u, const struct uhmm_device_desc *desc,
		    void *priv, struct uhmm_device **ret_dev)
{
	if (!u || !desc || !ret_dev)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	return make_device(u, desc, priv, false, ret_dev);
}

int device_add_file(struct uhmm *u, const struct uhmm_device_desc *desc,
		    void *priv, struct uhmm_device **ret_dev)
{
	return make_device(u, desc, priv, true, ret_dev);
}

/* No page is on the device any more, or the context is being closed. */
static void device_destroy(struct uhmm_device *dev)
{
	charge_device_gone(dev->u, dev->id);
	atomic_store(&dev->is_retiring, true);
	call_wait(dev, 0);
	device_give_number(dev);
	device_release(dev);
	pagemap_destroy(&dev->pagemap);
}

/*
 * The struct stays until the context is closed: the demoter may have chosen the
 * device a moment ago, and then reads that it is closed.
 */
static void retire(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	device_destroy(dev);
	sys_mutex_lock(&u->devices_lock);
	dev->next = u->removed;
	u->removed = dev;
	sys_mutex_unlock(&u->devices_lock);
}

void device_retire_all(struct uhmm *u)
{
	device_for_each(u, dev)
		retire(dev);
}

void device_free_all(struct uhmm *u)
{
	struct uhmm_device *dev;

	while ((dev = u->removed)) {
		u->removed = dev->next;
		sys_free(dev, sizeof(*dev));
	}
}

static bool has_pages(struct uhmm_device *dev, struct block *b)
{
	bool any = false;

	block_lock(b);
	for (unsigned i = 0; b->table && !any && i < MM_BLOCK_PAGES; i++)
		any = page_has(b->table[i], PAGE_NAMES_DPFN) &&
		      page_dev(b->table[i]) == dev->id;
	block_unlock(dev->u, b);
	return any;
}

/*
 * Pages that are home may not be free yet: a thread that brings a page home
 * wakes the toucher first and frees the device page then.  The kernel may not
 * run that thread for a while, but nothing else stops it.
 */
static void wait_for_frees(struct uhmm_device *dev)
{
	_Atomic uint32_t nobody = 0;
	struct uhmm *u = dev->u;

	block_for_each(u, b)
		if (has_pages(dev, b))
			return;
	for (int i = 0; i < 10000 && atomic_load(&dev->pagemap.nused) &&
			!device_is_lost(dev);
	     i++)
		if (i < 100)
			sys_yield();
		else
			sys_futex_wait(&nobody, 0, 1000 * 1000);
}

/*
 * Wait until each call has returned, and given back the device pages that it
 * kept.
 */
static void wait_for_loss(struct uhmm_device *dev)
{
	struct sys_wait w = { .all = &dev->u->waits,
			      .what = "calls and copies to end in",
			      .name = dev->name };

	for (;;) {
		lost_sweep(dev);
		call_wait(dev, 10 * 1000 * 1000);
		if (!atomic_load(&dev->pagemap.nused) && !call_any(dev))
			break;
		sys_wait_yield(&w);
	}
	sys_wait_end(&w);
}

int do_remove(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	pagemap_close(&dev->pagemap, true);
	block_for_each(u, b) {
		/* moves that began before the close end here */
		block_take_mover(u, b);
		block_let_go(u, b);
	}
	home_all(u, dev, HOME_MIGRATE);
	unchanged_end_all(u, dev);
	wait_for_frees(dev);
	if (device_is_lost(dev))
		wait_for_loss(dev);
	if (atomic_load(&dev->pagemap.nused))
		return -EBUSY;
	fixed_device_gone(dev);
	mirror_device_gone(dev);
	site_detach(dev);
	retire(dev);
	return 0;
}

int uhmm_device_tier(struct uhmm_device *dev, bool on)
{
	if (!dev || dev->desc.flags & UHMM_DEVICE_FIXED)
		return -EINVAL;
	if (context_is_dead(dev->u))
		return -ENODEV;
	atomic_store(&dev->tier, on);
	policy_kick(dev->u);
	return 0;
}

int uhmm_device_remove(struct uhmm_device *dev)
{
	struct request req = { .op = REQ_REMOVE, .dev = dev };

	return dev ? (int)request_run(dev->u, &req) : 0;
}

/*
 * Bytes stored.  Does not wait for a stuck call: returns what the provider said
 * last.
 */
static uint64_t stored_bytes_of(struct uhmm_device *dev)
{
	struct call_what what = { .op = CALL_STORED };
	struct call *c = call_begin(dev, &what);

	if (c) {
		atomic_store(&dev->stored, dev->ops.stored(dev->priv));
		call_end(dev, c);
	}
	return device_is_lost(dev) ? 0 : atomic_load(&dev->stored);
}

void *uhmm_device_priv(struct uhmm_device *dev,
		       const struct uhmm_device_ops *ops)
{
	if (!dev || !ops || dev->desc.ops != ops || device_is_lost(dev))
		return NULL;
	return dev->priv;
}

int uhmm_device_query(struct uhmm_device *dev,
		      struct uhmm_device_info *ret_info)
{
	struct uhmm_device_info i = { .size = sizeof(i) };
	int err;

	if (!dev || !ret_info)
		return -EINVAL;
	if (context_is_dead(dev->u))
		return -ENODEV;
	site_ask_again(dev->u);
	err = check_struct(ret_info, sizeof(i), ret_info->size);
	if (err)
		return err;
	i.id = dev->id;
	i.flags = dev->desc.flags;
	i.npages = dev->desc.npages;
	i.used = atomic_load(&dev->pagemap.nused) +
		 (uint64_t)atomic_load(&dev->fixed);
	i.failed = atomic_load(&dev->pagemap.nbad);
	i.longest_ns = atomic_load(&dev->longest);
	i.stuck = watchdog_stuck(dev, &i.longest_ns);
	i.lost = device_is_lost(dev);
	i.pages_in = atomic_load(&dev->pages_in);
	i.pages_out = atomic_load(&dev->pages_out);
	i.errors = atomic_load(&dev->errors);
	memcpy(i.name, dev->name, sizeof(i.name));
	if (dev->ops.stored)
		i.stored_bytes = stored_bytes_of(dev);
	i.size = ret_info->size;
	memcpy(ret_info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
