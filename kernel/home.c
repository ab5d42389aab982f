// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * home.c - device pages come home because the CPU touches one, or all at once.
 *
 * Both copy a page's store to a new page of RAM.  The kernel then puts that
 * page in the place of the device page, and drops the device page.  A page that
 * is busy meanwhile stays a device page: no data are lost, and the touch comes
 * again.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "pagemap.h"
#include "ring.h"

unsigned long uhmmk_page_fill(struct page *to, struct page *data)
{
	lock_page(to);
	copy_highpage(to, data);
	return migrate_pfn(page_to_pfn(to));
}

static vm_fault_t touch(struct vm_fault *vmf, struct page *data)
{
	struct uhmmk_pagemap *pm = uhmmk_page_pagemap(vmf->page);
	unsigned long src = 0, dst = 0, addr = vmf->address & PAGE_MASK;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = addr,
		.end = addr + PAGE_SIZE,
		.src = &src,
		.dst = &dst,
		.pgmap_owner = pm->pgmap.owner,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	vm_fault_t ret = 0;
	bool comes;

	if (migrate_vma_setup(&args))
		return VM_FAULT_SIGBUS;
	if (src & MIGRATE_PFN_MIGRATE) {
		struct page *to =
			alloc_page_vma(GFP_HIGHUSER_MOVABLE, vmf->vma, addr);

		dst = to ? uhmmk_page_fill(to, data) : 0;
		ret = to ? 0 : VM_FAULT_OOM;
	}
	migrate_vma_pages(&args);
	comes = src & MIGRATE_PFN_MIGRATE;
	migrate_vma_finalize(&args);
	/* The page is home before the library sees the count. */
	atomic64_inc(comes ? &pm->faults : &pm->retries);
	return ret;
}

vm_fault_t uhmmk_migrate_to_ram(struct vm_fault *vmf)
{
	struct page *page = vmf->page, *data = uhmmk_page_hold(page);
	vm_fault_t ret;

	if (data == ERR_PTR(-EAGAIN) || data == ERR_PTR(-EBUSY))
		return uhmmk_fault_wait(vmf);
	if (IS_ERR(data))
		return VM_FAULT_SIGBUS;
	ret = touch(vmf, data);
	uhmmk_page_unhold(page);
	return ret;
}

/* Return: the entry of a new page, or 0; *@ret_err: of uhmmk_page_hold() */
static unsigned long copy_out_of(struct page *page, int *ret_err)
{
	struct page *data = uhmmk_page_hold(page), *to;
	unsigned long ret = 0;

	if (IS_ERR(data)) {
		*ret_err = PTR_ERR(data);
		return 0;
	}
	to = alloc_page(GFP_HIGHUSER_MOVABLE);
	if (to)
		ret = uhmmk_page_fill(to, data);
	uhmmk_page_unhold(page);
	return ret;
}

static int try_evict(struct uhmmk_pagemap *pm, unsigned long i)
{
	unsigned long src = 0, dst = 0;
	int err = 0;

	migrate_device_range(&src, pm->pfn + i, 1);
	if (src & MIGRATE_PFN_MIGRATE)
		dst = copy_out_of(migrate_pfn_to_page(src), &err);
	migrate_device_pages(&src, &dst, 1);
	migrate_device_finalize(&src, &dst, 1);
	cond_resched();
	return err;
}

void uhmmk_page_evict(struct uhmmk_pagemap *pm, unsigned long index)
{
	int err;

	do {
		err = try_evict(pm, index);
	} while ((err == -EAGAIN || err == -EBUSY) &&
		 !uhmmk_ring_wait(pm->ring, index, false));
}

/* The driver gets to know early what will be wanted. */
static void ask_ahead(struct uhmmk_pagemap *pm, unsigned long i)
{
	unsigned long end = min(i + UHMMK_MERGE, pm->npages);

	for_each_set_bit_from(i, pm->used, end)
		uhmmk_ring_prefetch(pm->ring, i);
	uhmmk_ring_kick(pm->ring);
}

/*
 * A bit may be set or cleared meanwhile; evicting an unused page does no harm.
 */
unsigned long uhmmk_pagemap_evict(struct uhmmk_pagemap *pm)
{
	unsigned long i, fetched = 0;

	if (READ_ONCE(pm->lost))
		return READ_ONCE(pm->nr_used);
	for_each_set_bit(i, pm->used, pm->npages) {
		if (fatal_signal_pending(current) && !pm->closed)
			break;
		if (pm->ring && i >= fetched) {
			ask_ahead(pm, i);
			fetched = i + UHMMK_MERGE;
		}
		uhmmk_page_evict(pm, i);
	}
	return READ_ONCE(pm->nr_used);
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_evict);
