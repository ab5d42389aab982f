/* SPDX-License-Identifier: MIT */
/*
 * slot.h - frames: memory of our own that pages rest in while they move.
 *
 * A slot is 2 MiB of such addresses, one for each page of a block.
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
 * @stock: pages that hold memory; the block or mover with the slot updates it
 * @kept: of these, pages that are on a device too, and the same there: kept.c
 * @huge: that memory is one huge page
 * @stashed: a part is mapped as it was elsewhere: not to be used again so
 */
struct slot {
	struct mm_set stock, kept;
	uint32_t next;	   /* of its list, + 1 */
	uint32_t nr_stock; /* while in the pool */
	bool huge, stashed;
	bool rests; /* in the pool; with debug checks only */
};

/* First in, first out: a frame rests before it is used again. */
struct slot_list {
	uint32_t head, tail; /* + 1; 0: empty */
	uint32_t len;
};

struct slot_pool {
	struct sys_mutex lock;
	struct slot *slots;
	uintptr_t base;
	uint32_t nr;		     /* of the backend's slots */
	uint32_t nr_used;	     /* of those, ever */
	_Atomic uint32_t nr_keeping; /* with kept frames */
	struct slot_list bare;	     /* without stock */
	struct slot_list thin;	     /* with a little */
	struct slot_list stocked[2]; /* small pages; huge ones */
	_Atomic uint64_t pages;	     /* stock in all of them */
	_Atomic uint64_t limit;	     /* of that, now */
	uint64_t most;		     /* that @limit may be */
};

/* Single pages of our own for lone faults: claimed by a bit, without locks. */
#define NR_BOUNCE 64
struct bounce {
	_Atomic uint64_t used;
	char *pages;
};

/* slot.c */
/* How many the addresses of this process are enough for. */
uint32_t slot_most(void);
int slot_init(struct uhmm *u, uint64_t limit);
#define NO_SLOT UINT32_MAX
/* A slot, or NO_SLOT.  @want: offsets where stock would help. */
uint32_t slot_get(struct uhmm *u, const struct mm_set *want);
uint32_t slot_get_huge(struct uhmm *u);
/* The same to put pages into: nothing is at these offsets. */
uint32_t slot_get_empty(struct uhmm *u, const struct mm_set *want);
void slot_put(struct uhmm *u, uint32_t slot);
struct slot *slot_of(struct uhmm *u, uint32_t slot);
uintptr_t slot_va(struct uhmm *u, uint32_t slot);
/* Give memory back until at most @pages are kept. */
void slot_trim(struct uhmm *u, uint64_t pages);
void slot_destroy(struct uhmm *u);

#endif
