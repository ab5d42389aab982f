/* SPDX-License-Identifier: MIT */
/*
 * slot.h - frames: memory of the library's own in which pages rest while they
 * move.
 *
 * A slot is 2 MiB of such addresses: one frame for each page of a block.
 */
#ifndef UHMM_PAGE_SLOT_H
#define UHMM_PAGE_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mm/set.h"
#include "sys/lock.h"

struct uhmm;

#define MAX_SLOTS 16384u
#define MIN_SLOTS 16u /* where addresses are few */

/*
 * @stock: frames that hold memory; the block or mover with the slot updates it
 * @kept: the frames of @stock that have the data of a page on a device: kept.c
 * @huge: the memory is one huge page
 * @stashed: a part is a mapping that arrived from elsewhere: renew() is due
 */
struct slot {
	struct mm_set stock, kept;
	uint32_t next;	   /* next slot of its list, + 1 */
	uint32_t nr_stock; /* while in the pool */
	bool huge, stashed;
	bool rests; /* in the pool; with debug checks only */
};

/* First in, first out: a frame rests before the pool hands it out again. */
struct slot_list {
	uint32_t head, tail; /* + 1; 0: empty */
	uint32_t len;
};

struct slot_pool {
	struct sys_mutex lock;
	struct slot *slots;
	uintptr_t base;
	uint32_t nr;		     /* of the backend's slots */
	uint32_t nr_used;	     /* slots that were ever used */
	_Atomic uint32_t nr_keeping; /* slots with kept frames */
	struct slot_list bare;	     /* without stock */
	struct slot_list thin;	     /* with a little */
	struct slot_list stocked[2]; /* small pages; huge ones */
	_Atomic uint64_t pages;	     /* stock of all slots in the pool */
	_Atomic uint64_t old;	     /* struct block's @old, of all blocks */
	_Atomic uint64_t limit;	     /* of @pages, now */
	uint64_t most;		     /* highest value of @limit */
};

/* Pages of RAM that frames take beside those that pages are in. */
static inline uint64_t slot_idle_pages(const struct slot_pool *p)
{
	return atomic_load(&p->pages) + atomic_load(&p->old);
}

/* Single pages for lone faults.  A fault claims one by its bit in @used. */
#define NR_BOUNCE 64
struct bounce {
	_Atomic uint64_t used;
	char *pages;
};

/* slot.c */
/* How many slots fit into the address space of this process. */
uint32_t slot_most(void);
int slot_init(struct uhmm *u, uint64_t limit);
#define NO_SLOT UINT32_MAX
/*
 * A slot, or NO_SLOT.  Stock at the offsets of @want is of use to the caller.
 */
uint32_t slot_get(struct uhmm *u, const struct mm_set *want);
uint32_t slot_get_huge(struct uhmm *u);
/* A slot to move pages into: no memory is at the offsets of @want. */
uint32_t slot_get_empty(struct uhmm *u, const struct mm_set *want);
void slot_put(struct uhmm *u, uint32_t slot);
struct slot *slot_of(struct uhmm *u, uint32_t slot);
uintptr_t slot_va(struct uhmm *u, uint32_t slot);
/* Give memory back until at most @pages are kept. */
void slot_trim(struct uhmm *u, uint64_t pages);
void slot_destroy(struct uhmm *u);

#endif
