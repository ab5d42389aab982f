// SPDX-License-Identifier: GPL-2.0 OR MIT
/* device.c - adds devices, finds them by number, and ends them. */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "compat.h"
#include "device.h"

char uhmmk_owner[1];
static DEFINE_XARRAY_ALLOC1(devices);
static struct workqueue_struct *ends, *rescues;

/*
 * Memory that coherent devices may have is set when the module is loaded, so
 * that a lockdown of the kernel holds: SIZE@START, as in memmap=.
 */
static char *coherent;
module_param_hw(coherent, charp, iomem, 0400);
MODULE_PARM_DESC(coherent, "memory for coherent devices: SIZE@START[,...]");

/*
 * Does @at begin with a range that contains [@start, @end)?  @ret_next: the
 * text after that range.
 */
static bool has_range(char *at, u64 start, u64 end, char **ret_next)
{
	u64 size = memparse(at, &at), from;

	if (*at++ != '@') {
		*ret_next = "";
		return false;
	}
	from = memparse(at, &at);
	*ret_next = *at == ',' ? at + 1 : "";
	return start >= from && end <= from + size;
}

static bool is_set_aside(u64 start, u64 end)
{
	char *at = coherent;

	while (at && *at)
		if (has_range(at, start, end, &at))
			return true;
	return false;
}

bool uhmmk_device_is_ours(const struct page *page)
{
	return compat_pgmap(page)->owner == uhmmk_owner;
}

static void release(struct kref *ref)
{
	struct uhmmk_device *d = container_of(ref, struct uhmmk_device, ref);

	uhmmk_pagemap_remove(&d->pm);
	uhmmk_ring_remove(d->pm.ring);
	kfree(d);
}

void uhmmk_device_put(struct uhmmk_device *d)
{
	kref_put(&d->ref, release);
}

static void end(struct work_struct *work)
{
	uhmmk_device_put(container_of(work, struct uhmmk_device, end));
	module_put(THIS_MODULE);
}

/* Called in atomic context. */
static void is_idle(struct uhmmk_pagemap *pm)
{
	struct uhmmk_device *d = container_of(pm, struct uhmmk_device, pm);

	queue_work(ends, &d->end);
}

static void rescue(struct work_struct *work)
{
	struct uhmmk_device *d =
		container_of(work, struct uhmmk_device, rescue);

	uhmmk_ring_rescue(d->pm.ring);
}

/* Called in atomic context. */
static void has_failed(struct uhmmk_pagemap *pm)
{
	struct uhmmk_device *d = container_of(pm, struct uhmmk_device, pm);

	queue_work(rescues, &d->rescue);
}

static int check_range(enum uhmmk_type type, unsigned long npages,
		       phys_addr_t phys)
{
	u64 size = (u64)npages << PAGE_SHIFT;

	if (type == UHMMK_PRIVATE)
		return phys ? -EINVAL : 0;
	if (!IS_ALIGNED(phys | size, PAGES_PER_SUBSECTION << PAGE_SHIFT) ||
	    phys + size <= phys)
		return -EINVAL;
	return is_set_aside(phys, phys + size) ? 0 : -EPERM;
}

static int add_ring(struct uhmmk_device *d, unsigned long npages, u32 slots,
		    u32 timeout_ms)
{
	struct uhmmk_ring *r;

	d->pm.npages = npages;
	r = uhmmk_ring_add(&d->pm, slots, timeout_ms);
	if (IS_ERR(r))
		return PTR_ERR(r);
	r->failed = has_failed;
	d->pm.ring = r;
	return 0;
}

/* @slots: 0: the device has no ring */
static struct uhmmk_device *add(enum uhmmk_type type, unsigned long npages,
				phys_addr_t phys, u32 slots, u32 timeout_ms)
{
	struct uhmmk_device *d;
	int ret;

	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return ERR_PTR(-ENOMEM);
	kref_init(&d->ref);
	INIT_WORK(&d->end, end);
	INIT_WORK(&d->rescue, rescue);
	d->type = type;
	d->pm.idle = is_idle;
	ret = uhmmk_pagemap_add(&d->pm, type, npages, phys, uhmmk_owner);
	if (ret)
		goto err_free;
	if (slots)
		ret = add_ring(d, npages, slots, timeout_ms);
	if (ret)
		goto err_remove;
	ret = xa_alloc(&devices, &d->id, d, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto err_remove;
	kref_get(&d->ref); /* for the pages */
	__module_get(THIS_MODULE);
	return d;
err_remove:
	uhmmk_pagemap_remove(&d->pm);
	uhmmk_ring_remove(d->pm.ring);
err_free:
	kfree(d);
	return ERR_PTR(ret);
}

struct uhmmk_device *uhmmk_device_add(enum uhmmk_type type,
				      unsigned long npages, phys_addr_t phys)
{
	int ret = check_range(type, npages, phys);

	return ret ? ERR_PTR(ret) : add(type, npages, phys, 0, 0);
}

struct uhmmk_device *uhmmk_device_add_ring(unsigned long npages, u32 slots,
					   u32 timeout_ms)
{
	if (!uhmmk_ring_is_valid(npages, slots, timeout_ms))
		return ERR_PTR(-EINVAL);
	return add(UHMMK_PRIVATE, npages, 0, slots, timeout_ms);
}

struct uhmmk_device *uhmmk_device_find(u32 id)
{
	struct uhmmk_device *d;

	xa_lock(&devices);
	d = xa_load(&devices, id);
	if (d)
		kref_get(&d->ref);
	xa_unlock(&devices);
	return d;
}

void uhmmk_device_close(struct uhmmk_device *d)
{
	xa_erase(&devices, d->id);
	if (d->pm.ring)
		uhmmk_ring_stop(d->pm.ring);
	uhmmk_pagemap_close(&d->pm);
	if (uhmmk_pagemap_evict(&d->pm))
		pr_info("uhmm%u: closed, and pages of it are in use\n", d->id);
	if (d->pm.ring)
		cancel_work_sync(&d->rescue);
	uhmmk_device_put(d);
	flush_workqueue(ends);
}

int uhmmk_devices_init(void)
{
	ends = alloc_workqueue("uhmm", WQ_UNBOUND, 0);
	if (!ends)
		return -ENOMEM;
	rescues = alloc_workqueue("uhmm-rescue", WQ_UNBOUND, 0);
	if (rescues)
		return 0;
	destroy_workqueue(ends);
	return -ENOMEM;
}

/*
 * No device exists: each holds a reference to the module until its end.  A
 * thread that has waited for one may be in its last instructions here.
 */
void uhmmk_devices_exit(void)
{
	synchronize_rcu_tasks();
	destroy_workqueue(rescues);
	destroy_workqueue(ends);
}
