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
#include <linux/sched.h>

#include "compat.h"
#include "pagemap.h"

unsigned long uhmmk_page_copy_home(struct page *to, struct page *from)
{
	if (!to)
		return 0;
	if (READ_ONCE(uhmmk_page_pagemap(from)->lost)) {
		__free_page(to);
		return 0;
	}
	lock_page(to);
	copy_highpage(to, uhmmk_page_store(from));
	return migrate_pfn(page_to_pfn(to));
}
EXPORT_SYMBOL_GPL(uhmmk_page_copy_home);

vm_fault_t uhmmk_migrate_to_ram(struct vm_fault *vmf)
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

	if (READ_ONCE(pm->lost) || migrate_vma_setup(&args))
		return VM_FAULT_SIGBUS;
	if (src & MIGRATE_PFN_MIGRATE) {
		struct page *to =
			alloc_page_vma(GFP_HIGHUSER_MOVABLE, vmf->vma, addr);

		dst = uhmmk_page_copy_home(to, migrate_pfn_to_page(src));
		ret = to ? 0 : VM_FAULT_OOM;
	}
	migrate_vma_pages(&args);
	comes = src & MIGRATE_PFN_MIGRATE;
	migrate_vma_finalize(&args);
	/* The page is home before the library sees the count. */
	atomic64_inc(comes ? &pm->faults : &pm->retries);
	return ret;
}

static void evict(struct uhmmk_pagemap *pm, unsigned long i)
{
	unsigned long src = 0, dst = 0;

	migrate_device_range(&src, pm->pfn + i, 1);
	if (src & MIGRATE_PFN_MIGRATE)
		dst = uhmmk_page_copy_home(alloc_page(GFP_HIGHUSER_MOVABLE),
					   migrate_pfn_to_page(src));
	migrate_device_pages(&src, &dst, 1);
	migrate_device_finalize(&src, &dst, 1);
	cond_resched();
}

/*
 * A bit may be set or cleared meanwhile; evicting an unused page does no harm.
 */
unsigned long uhmmk_pagemap_evict(struct uhmmk_pagemap *pm)
{
	unsigned long i;

	if (READ_ONCE(pm->lost))
		return READ_ONCE(pm->nr_used);
	for_each_set_bit(i, pm->used, pm->npages)
		evict(pm, i);
	return READ_ONCE(pm->nr_used);
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_evict);
