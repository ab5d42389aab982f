/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * pagemap.h - device pages: handed out, taken back, brought home.
 *
 * A pagemap is a range of pages of the kernel that are one device's memory.
 * Private pages have no memory of their own: each has a page of RAM that keeps
 * its data, its store.  Coherent pages are their own store.
 *
 * A device page is used from uhmmk_page_get() until the kernel has dropped its
 * last reference, whatever became of the process.  A closed pagemap hands out
 * no more pages; what is used stays good until it is freed.
 *
 * Locks: mmap_lock, then the page's lock, then @lock.  The kernel frees pages
 * under a lock of page tables: nothing sleeps under @lock, nor in @idle.
 */
#ifndef UHMMK_PAGEMAP_H
#define UHMMK_PAGEMAP_H

#include <linux/atomic.h>
#include <linux/memremap.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>

#include "uapi/uhmm_kmod.h"

struct module;
struct uhmmk_ring;

struct uhmmk_pagemap {
	struct dev_pagemap pgmap;
	unsigned long pfn, npages;
	spinlock_t lock;     /* protects the members from here to @closed */
	unsigned long *used; /* a bit for each page */
	unsigned long nr_used, hint;
	/* Set bits: also pages that the driver does not know to be free. */
	unsigned long nr_taken;
	bool closed;
	bool retired; /* hands out no more pages either */
	/*
	 * Called once, when the pagemap is closed and no page is used; may be
	 * NULL.
	 */
	void (*idle)(struct uhmmk_pagemap *pm);
	/*
	 * Not unloaded while a page is used; NULL, or a module other than uhmm.
	 */
	struct module *module;
	/*
	 * The data are gone: set once, and then no store is read any more.
	 */
	bool lost;
	/* A driver keeps the data of the pages; NULL: the store does. */
	struct uhmmk_ring *ring;
	atomic64_t faults, retries;
};

/**
 * uhmmk_pagemap_add() - make device memory
 * @pm: zeroed; may have @idle and @module set
 * @type: private or coherent
 * @npages: is rounded up to what the kernel can add
 * @phys: where a coherent device's memory is
 * @owner: whatever says which moves and looks may see these pages
 *
 * May sleep.
 *
 * Return: 0, -EOPNOTSUPP where the kernel has no private pages, -EINVAL,
 * -ENOMEM, -EBUSY where something has that memory, or what memremap_pages()
 * says.
 */
int uhmmk_pagemap_add(struct uhmmk_pagemap *pm, enum uhmmk_type type,
		      unsigned long npages, phys_addr_t phys, void *owner);

/* Hand out no more pages. */
void uhmmk_pagemap_retire(struct uhmmk_pagemap *pm);

/* Hand out no more pages.  May sleep; calls @idle if no page is used. */
void uhmmk_pagemap_close(struct uhmmk_pagemap *pm);

/*
 * The data of private pages are gone: a touch raises SIGBUS, no page goes out
 * or home.  Pages that are on their way may still arrive.  -EOPNOTSUPP: the CPU
 * uses coherent pages in place.
 */
int uhmmk_pagemap_lose(struct uhmmk_pagemap *pm);

/* The caller knows that no page is used.  May sleep. */
void uhmmk_pagemap_remove(struct uhmmk_pagemap *pm);

/*
 * Bring pages of all processes home.  May sleep; the caller holds no lock.
 * Return: how many pages are still used.
 */
unsigned long uhmmk_pagemap_evict(struct uhmmk_pagemap *pm);

/*
 * Take a free page, locked and with one reference.  May sleep.  With a ring the
 * caller has reserved a slot.  Return: -ENOMEM, or -ENOSPC if no page is free.
 */
struct page *uhmmk_page_get(struct uhmmk_pagemap *pm);

/*
 * The page that holds the data of @page: itself, unless it is a private one,
 * which uhmmk_page_get() has returned.
 */
struct page *uhmmk_page_store(struct page *page);

/* The data of the new page are complete. */
void uhmmk_page_stored(struct page *page);

/* For the ring: the page can be handed out again.  Atomic context. */
void uhmmk_page_unuse(struct uhmmk_pagemap *pm, unsigned long index);

struct uhmmk_pagemap *uhmmk_page_pagemap(const struct page *page);

/*
 * The data of a device page that the caller has a reference to; they stay until
 * uhmmk_page_unhold().  -EAGAIN, -EBUSY: wait for the driver, and try again;
 * other errors: they are lost.
 */
struct page *uhmmk_page_hold(struct page *page);
void uhmmk_page_unhold(struct page *page);

/* For migrate_vma.dst: @to, not yet locked, gets @data.  Return: the entry. */
unsigned long uhmmk_page_fill(struct page *to, struct page *data);

/* Bring home one page, if it is used. */
void uhmmk_page_evict(struct uhmmk_pagemap *pm, unsigned long index);

/* home.c, for pagemap.c: a touch by the CPU */
vm_fault_t uhmmk_migrate_to_ram(struct vm_fault *vmf);

#endif
