/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * compat.h - the differences between kernels, and nothing else.  probe.sh looks
 * into the kernel's headers and defines HAVE_*.
 */
#ifndef UHMMK_COMPAT_H
#define UHMMK_COMPAT_H

#include <linux/err.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

/* A free device page becomes one that is locked and has a reference. */
static inline void compat_device_page_init(struct page *page,
					   struct dev_pagemap *pgmap)
{
#ifdef HAVE_PAGE_INIT_PGMAP
	zone_device_page_init(page, pgmap, 0);
#else
	zone_device_page_init(page);
#endif
}

static inline struct dev_pagemap *compat_pgmap(const struct page *page)
{
#ifdef HAVE_PAGE_PGMAP
	return page_pgmap(page);
#else
	return page->pgmap;
#endif
}

/* The pagemap's operation that takes a page back, and its argument's type */
#ifdef HAVE_FOLIO_FREE
#define compat_free  folio_free
#define compat_freed folio

static inline struct page *compat_freed_page(struct folio *folio)
{
	return &folio->page;
}
#else
#define compat_free  page_free
#define compat_freed page

static inline struct page *compat_freed_page(struct page *page)
{
	return page;
}
#endif

/*
 * Where device pages are folios a touch comes with the page locked, and other
 * touches wait for that lock, which no signal ends: so it is not held over a
 * wait.
 */
#ifdef HAVE_FOLIO_FREE
#define compat_fault_page_lock(page)   lock_page(page)
#define compat_fault_page_unlock(page) unlock_page(page)
#else
#define compat_fault_page_lock(page)   ((void)(page))
#define compat_fault_page_unlock(page) ((void)(page))
#endif

static inline void compat_vm_flags_set(struct vm_area_struct *vma,
				       unsigned long flags)
{
#ifdef HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/*
 * hmm_range_fault() without mmap_lock held by the caller, so that a fault that
 * waits for user space does not hold the lock.
 */
static inline int compat_range_fault_unlocked(struct hmm_range *range,
					      unsigned long timeout)
{
#ifdef HAVE_RANGE_FAULT_UNLOCKED
	return hmm_range_fault_unlocked_timeout(range, timeout);
#else
	return -EOPNOTSUPP;
#endif
}

/*
 * Make the page at @addr exclusive to the device.  Return: the page, locked and
 * with a reference, or NULL.
 */
static inline struct page *
compat_make_exclusive(struct mm_struct *mm, unsigned long addr, void *owner)
{
#if !IS_ENABLED(CONFIG_DEVICE_PRIVATE)
	return NULL;
#elif defined(HAVE_EXCLUSIVE_PAGE)
	struct folio *folio;
	struct page *page = make_device_exclusive(mm, addr, owner, &folio);

	return IS_ERR(page) ? NULL : page;
#else
	struct page *page = NULL;

	make_device_exclusive_range(mm, addr, addr + PAGE_SIZE, &page, owner);
	return page;
#endif
}

#endif
