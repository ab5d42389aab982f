/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * ring.h - a driver in user space keeps the data of private pages.
 *
 * A *slot* is a page of the area that kernel and driver share.  A page that
 * leaves RAM is copied to a slot, and the slot is its data until the driver has
 * answered the STORE.  So nothing waits for the driver on the way out, once a
 * slot is there; only a touch may have to wait, for a FETCH.
 *
 * What a device page is, under the ring's @lock:
 *
 *	NONE -> STORING -ok-> STORED -fetch-> FETCHING -ok-> STAGED
 *	          '-failed-> KEPT  ^ ^-----failed, twice-'     |
 *	                           '---its slot was wanted-----'
 *	from each, when the kernel frees the page: FREEING -answered-> NONE
 *
 * STORING, STAGED and KEPT have the data in a slot; KEPT has them nowhere else.
 * BAD: the driver failed to fetch the page, and no other, for the third time.
 * A page that is
 * freed while a command for it is unanswered is an orphan: FREEING comes after
 * the answer.
 *
 * A slot is reserved before any lock is taken, so that nobody waits for one
 * under a lock.  A quarter of the slots is for FETCH only: stores do not delay
 * touches.
 *
 * The driver is believed nothing but an answer to what it was asked.
 *
 * Locks: @lock is taken under locks of page tables, and pagemap's @lock under
 * it.  Nothing sleeps under it.
 */
#ifndef UHMMK_RING_H
#define UHMMK_RING_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "uapi/uhmm_kmod.h"

#define UHMMK_FREE_TAGS 64U /* FREEs that may be unanswered */
#define UHMMK_MERGE	64U /* pages of a command */
#define UHMMK_NO_SLOT	0xffffU

struct uhmmk_pagemap;

enum uhmmk_page_state {
	UHMMK_PAGE_NONE,
	UHMMK_PAGE_STORING,
	UHMMK_PAGE_STORED,
	UHMMK_PAGE_FETCHING,
	UHMMK_PAGE_STAGED,
	UHMMK_PAGE_KEPT,
	UHMMK_PAGE_BAD,
	UHMMK_PAGE_FREEING,
};

struct uhmmk_ring_page {
	u8 state;      /* enum uhmmk_page_state */
	u8 fails;      /* of FETCH, for this page alone */
	bool is_alone; /* a FETCH of it and others failed: not with others */
	bool is_orphan;
	u16 slot;
};

struct uhmmk_slot {
	u32 index; /* of its page */
	u16 busy;  /* threads that copy from it */
};

/* By tag: the first slot's number; FREEs have tags behind those of slots. */
struct uhmmk_asked {
	bool is_sent;
	u16 op;
	u32 npages, generation;
	u32 index; /* of the first page */
};

struct uhmmk_ring {
	struct uhmmk_pagemap *pm;
	u32 nr_slots, nr_tags;
	unsigned long timeout; /* in jiffies */
	size_t area_size;
	void *area;
	struct uhmmk_queue *queue; /* first in the area, as the two below */
	struct uhmmk_command *commands;
	struct uhmmk_answer *answers;
	void *data;

	spinlock_t lock; /* protects the members from here to @dead */
	struct uhmmk_ring_page *pages;
	struct uhmmk_slot *slots;
	struct uhmmk_asked *asked;
	unsigned long *slots_used, *to_free;
	u32 nr_free, nr_reserved, slot_hint, reclaim_hint;
	unsigned long nr_to_free, nr_freeing, nr_orphans;
	bool frees_wanted; /* somebody waits for a page that was freed */
	u32 nr_sent;
	/* The page that the next touch meets if it follows the last one */
	unsigned long ahead_next;
	u32 ahead; /* pages that were fetched with the last one */
	/* Not in the queue yet: it may become longer.  @npages 0: none */
	struct uhmmk_asked pending;
	u16 pending_tag;
	u32 command_tail, answer_head, generation, nr_commands, nr_answers;
	unsigned long progress; /* when the driver last answered */
	u64 stores, fetches, frees, failures, lies;
	bool dead;

	atomic64_t waits, locked_waits;
	pid_t driver; /* the process that called SERVE last */
	wait_queue_head_t clients, drivers;
	/* A STORE failed: uhmmk_ring_rescue() is wanted.  Atomic context. */
	void (*failed)(struct uhmmk_pagemap *pm);
};

bool uhmmk_ring_is_valid(u64 npages, u32 slots, u32 timeout_ms);

/* Return: -ENOMEM.  May sleep. */
struct uhmmk_ring *uhmmk_ring_add(struct uhmmk_pagemap *pm, u32 slots,
				  u32 timeout_ms);
void uhmmk_ring_remove(struct uhmmk_ring *r);

int uhmmk_ring_mmap(struct uhmmk_ring *r, struct vm_area_struct *vma);

void uhmmk_ring_stat(struct uhmmk_ring *r, struct uhmmk_stat *ret);

/* The driver is gone: what is in slots can come home, the rest is lost. */
void uhmmk_ring_stop(struct uhmmk_ring *r);

/* ---- Slots and pages ---- */

/*
 * Reserve up to @want slots for pages that go out.  The caller holds no lock.
 * Return: how many; 0: the device is full, or no slot will become free;
 * -ERESTARTSYS, -ENODEV, -ETIMEDOUT.
 */
int uhmmk_ring_reserve(struct uhmmk_ring *r, unsigned int want);
void uhmmk_ring_unreserve(struct uhmmk_ring *r, unsigned int nr);

/* Page @index, just taken, gets one of the caller's reserved slots. */
void uhmmk_ring_get(struct uhmmk_ring *r, unsigned long index);
struct page *uhmmk_ring_data(struct uhmmk_ring *r, unsigned long index);

/* The data of the page are in its slot: the driver may have them. */
void uhmmk_ring_store(struct uhmmk_ring *r, unsigned long index);

/*
 * The data of a page that the caller has a reference to, until
 * uhmmk_ring_unhold().  -EAGAIN: they were asked for; -EBUSY: there is no slot
 * for them now; -ENODEV, -EIO: they are lost.
 */
struct page *uhmmk_ring_hold(struct uhmmk_ring *r, unsigned long index);
void uhmmk_ring_unhold(struct uhmmk_ring *r, unsigned long index);

/* Ask for the data, if there is a slot for them. */
void uhmmk_ring_prefetch(struct uhmmk_ring *r, unsigned long index);

/* A touch waits for this page: those behind it may be wanted next. */
void uhmmk_ring_fetch_ahead(struct uhmmk_ring *r, unsigned long index);

/* The driver gets what was asked for so far. */
void uhmmk_ring_kick(struct uhmmk_ring *r);

/*
 * The kernel has freed the page; uhmmk_page_unuse() follows.  Atomic context.
 */
void uhmmk_ring_freed(struct uhmmk_ring *r, unsigned long index);

/* Bring home pages that the driver failed to store.  May sleep. */
void uhmmk_ring_rescue(struct uhmmk_ring *r);

/* ---- Waiting ---- */

/*
 * Wait until a uhmmk_ring_hold() that failed is worth another try.
 * @is_interruptible: by any signal, and not by SIGKILL only.  Return: 0,
 * -ERESTARTSYS, or -ETIMEDOUT: the device is lost now.
 */
int uhmmk_ring_wait(struct uhmmk_ring *r, unsigned long index,
		    bool is_interruptible);

/* For a touch, after uhmmk_ring_hold() of its page failed. */
vm_fault_t uhmmk_fault_wait(struct vm_fault *vmf);

/* queue.c, for ring.c.  The caller holds @lock. */
void uhmmk_queue_add(struct uhmmk_ring *r, u16 op, u16 tag, u32 index);
void uhmmk_queue_flush(struct uhmmk_ring *r);
bool uhmmk_are_frees_due(const struct uhmmk_ring *r);

/* ring.c, for queue.c and wait.c.  The caller holds @lock. */
bool uhmmk_slot_reclaim(struct uhmmk_ring *r);
void uhmmk_page_settle(struct uhmmk_ring *r, u32 index,
		       const struct uhmmk_asked *asked, int result);
void uhmmk_page_forget(struct uhmmk_ring *r, u32 index);
void uhmmk_ring_die(struct uhmmk_ring *r);

/* queue.c: UHMMK_SERVE */
long uhmmk_ring_serve(struct uhmmk_ring *r, unsigned int timeout_ms);

#endif
