// SPDX-License-Identifier: GPL-2.0 OR MIT
/* pagemap.c - device pages: their range, which are used, and their data. */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/ioport.h>
#include <linux/memcontrol.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "pagemap.h"
#include "ring.h"

struct uhmmk_pagemap *uhmmk_page_pagemap(const struct page *page)
{
	return container_of(compat_pgmap(page), struct uhmmk_pagemap, pgmap);
}
EXPORT_SYMBOL_GPL(uhmmk_page_pagemap);

/* ---- The store ---- */

/*
 * The page is charged to the memory cgroup of the process that moves.  At the
 * cgroup's limit the page stays in RAM: no process is killed for it.
 */
static struct page *store_alloc(void)
{
	return alloc_page(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL |
			  __GFP_NOWARN);
}

static void store_free(struct page *page)
{
	struct page *store = page->zone_device_data;

	page->zone_device_data = NULL;
	if (store)
		__free_page(store);
}

static unsigned long index_of(const struct uhmmk_pagemap *pm,
			      const struct page *page)
{
	return page_to_pfn(page) - pm->pfn;
}

struct page *uhmmk_page_store(struct page *page)
{
	struct uhmmk_pagemap *pm;

	/* A mirror asks for pages of RAM as well, which have no pagemap. */
	if (!is_device_private_page(page))
		return page;
	pm = uhmmk_page_pagemap(page);
	return pm->ring ? uhmmk_ring_data(pm->ring, index_of(pm, page)) :
			  page->zone_device_data;
}
EXPORT_SYMBOL_GPL(uhmmk_page_store);

void uhmmk_page_stored(struct page *page)
{
	struct uhmmk_pagemap *pm = uhmmk_page_pagemap(page);

	if (pm->ring)
		uhmmk_ring_store(pm->ring, index_of(pm, page));
}

struct page *uhmmk_page_hold(struct page *page)
{
	struct uhmmk_pagemap *pm = uhmmk_page_pagemap(page);

	if (READ_ONCE(pm->lost))
		return ERR_PTR(-ENODEV);
	if (pm->ring)
		return uhmmk_ring_hold(pm->ring, index_of(pm, page));
	return uhmmk_page_store(page);
}

void uhmmk_page_unhold(struct page *page)
{
	struct uhmmk_pagemap *pm = uhmmk_page_pagemap(page);

	if (pm->ring)
		uhmmk_ring_unhold(pm->ring, index_of(pm, page));
}

/* ---- Pages ---- */

/* Mark a free page as used.  Return: its index; @npages: none is free. */
static unsigned long take(struct uhmmk_pagemap *pm)
{
	unsigned long i = pm->npages;
	bool open;

	spin_lock_irq(&pm->lock);
	open = !pm->closed && !pm->retired && !READ_ONCE(pm->lost);
	if (open)
		i = find_next_zero_bit(pm->used, pm->npages, pm->hint);
	if (i >= pm->npages && open)
		i = find_first_zero_bit(pm->used, pm->npages);
	if (i < pm->npages) {
		__set_bit(i, pm->used);
		pm->nr_taken++;
		if (!pm->nr_used++)
			__module_get(pm->module);
		pm->hint = i + 1;
	}
	spin_unlock_irq(&pm->lock);
	return i;
}

struct page *uhmmk_page_get(struct uhmmk_pagemap *pm)
{
	bool has_store = pm->pgmap.type == MEMORY_DEVICE_PRIVATE && !pm->ring;
	struct page *page, *store = NULL;
	unsigned long i;

	if (has_store) {
		store = store_alloc();
		if (!store)
			return ERR_PTR(-ENOMEM);
	}
	i = take(pm);
	if (i >= pm->npages) {
		if (store)
			__free_page(store);
		return ERR_PTR(-ENOSPC);
	}
	page = pfn_to_page(pm->pfn + i);
	page->zone_device_data = store;
	if (pm->ring)
		uhmmk_ring_get(pm->ring, i);
	compat_device_page_init(page, &pm->pgmap);
	return page;
}
EXPORT_SYMBOL_GPL(uhmmk_page_get);

/* @lock is held. */
static void unuse(struct uhmmk_pagemap *pm, unsigned long i)
{
	__clear_bit(i, pm->used);
	pm->nr_taken--;
}

void uhmmk_page_unuse(struct uhmmk_pagemap *pm, unsigned long index)
{
	unsigned long flags;

	spin_lock_irqsave(&pm->lock, flags);
	unuse(pm, index);
	spin_unlock_irqrestore(&pm->lock, flags);
}

static void put(struct compat_freed *freed)
{
	struct page *page = compat_freed_page(freed);
	struct uhmmk_pagemap *pm = uhmmk_page_pagemap(page);
	struct module *module = pm->module;
	bool is_last, is_idle;
	unsigned long flags;

	if (pm->ring)
		uhmmk_ring_freed(pm->ring, index_of(pm, page));
	else
		store_free(page);
	spin_lock_irqsave(&pm->lock, flags);
	if (!pm->ring)
		unuse(pm, index_of(pm, page));
	is_last = !--pm->nr_used;
	is_idle = is_last && pm->closed;
	spin_unlock_irqrestore(&pm->lock, flags);
	if (is_idle && pm->idle)
		pm->idle(pm);
	if (is_last)
		module_put(module);
}

static const struct dev_pagemap_ops ops = {
	.compat_free = put,
	.migrate_to_ram = uhmmk_migrate_to_ram,
};

/* ---- The whole ---- */

/* The kernel adds private memory by sections, other memory by subsections. */
static unsigned long round_pages(enum uhmmk_type type, unsigned long npages)
{
	if (type == UHMMK_PRIVATE)
		return round_up(npages, PAGES_PER_SECTION);
	return round_up(npages, PAGES_PER_SUBSECTION);
}

static struct resource *reserve(enum uhmmk_type type, unsigned long npages,
				phys_addr_t phys)
{
	struct resource *res;

	if (type == UHMMK_COHERENT) {
		res = request_mem_region(phys, npages << PAGE_SHIFT, "uhmm");
		return res ?: ERR_PTR(-EBUSY);
	}
	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		return ERR_PTR(-EOPNOTSUPP);
	return request_free_mem_region(&iomem_resource, npages << PAGE_SHIFT,
				       "uhmm");
}

static int map(struct uhmmk_pagemap *pm, enum uhmmk_type type, phys_addr_t phys)
{
	struct dev_pagemap *pgmap = &pm->pgmap;
	struct resource *res = reserve(type, pm->npages, phys);
	void *at;

	if (IS_ERR(res))
		return PTR_ERR(res);
	pgmap->type = type == UHMMK_PRIVATE ? MEMORY_DEVICE_PRIVATE :
					      MEMORY_DEVICE_COHERENT;
	pgmap->range.start = res->start;
	pgmap->range.end = res->end;
	pgmap->nr_range = 1;
	pgmap->ops = &ops;
	pm->pfn = PHYS_PFN(res->start);
	at = memremap_pages(pgmap, numa_node_id());
	if (IS_ERR(at))
		release_mem_region(res->start, resource_size(res));
	return PTR_ERR_OR_ZERO(at);
}

int uhmmk_pagemap_add(struct uhmmk_pagemap *pm, enum uhmmk_type type,
		      unsigned long npages, phys_addr_t phys, void *owner)
{
	int ret;

	if (type == UHMMK_PRIVATE && !IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		return -EOPNOTSUPP;
	/* At most a sixteenth of RAM is for the pages' descriptors. */
	if (!npages || npages > totalram_pages() * 4)
		return npages ? -ENOMEM : -EINVAL;
	spin_lock_init(&pm->lock);
	pm->npages = round_pages(type, npages);
	pm->pgmap.owner = owner;
	pm->used = kvcalloc(BITS_TO_LONGS(pm->npages), sizeof(*pm->used),
			    GFP_KERNEL);
	if (!pm->used)
		return -ENOMEM;
	ret = map(pm, type, phys);
	if (ret)
		kvfree(pm->used);
	return ret;
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_add);

void uhmmk_pagemap_retire(struct uhmmk_pagemap *pm)
{
	spin_lock_irq(&pm->lock);
	pm->retired = true;
	spin_unlock_irq(&pm->lock);
}

void uhmmk_pagemap_close(struct uhmmk_pagemap *pm)
{
	bool is_idle;

	spin_lock_irq(&pm->lock);
	pm->closed = true;
	is_idle = !pm->nr_used;
	spin_unlock_irq(&pm->lock);
	if (is_idle && pm->idle)
		pm->idle(pm);
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_close);

int uhmmk_pagemap_lose(struct uhmmk_pagemap *pm)
{
	if (pm->pgmap.type != MEMORY_DEVICE_PRIVATE)
		return -EOPNOTSUPP;
	WRITE_ONCE(pm->lost, true);
	if (pm->ring)
		uhmmk_ring_stop(pm->ring);
	return 0;
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_lose);

void uhmmk_pagemap_remove(struct uhmmk_pagemap *pm)
{
	memunmap_pages(&pm->pgmap);
	release_mem_region(pm->pgmap.range.start, range_len(&pm->pgmap.range));
	kvfree(pm->used);
}
EXPORT_SYMBOL_GPL(uhmmk_pagemap_remove);
