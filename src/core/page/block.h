/* SPDX-License-Identifier: MIT */
/*
 * block.h - 2 MiB of managed addresses: found without locks, and the words of
 * its pages.
 *
 * A block's table, counts and slot are under its lock.  Its mover lock is held
 * by the one thread that takes pages out of the block.
 */
#ifndef UHMM_PAGE_BLOCK_H
#define UHMM_PAGE_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/page/page.h"
#include "mm/mm.h"
#include "sys/lock.h"

struct uhmm;

#define VA_BITS	   47
#define INDEX_BITS 13
#define INDEX_SIZE (1u << INDEX_BITS)
#define NR_BIRTHS  256

/*
 * 2 MiB of managed addresses that ever held something other than plain RAM.
 * @table, @nr, @slot, @ram_delta: under @lock
 */
struct block {
	uintptr_t va;
	struct sys_mutex lock;
	struct sys_mutex mover;
	_Atomic uint32_t settled; /* futex: counts moves that ended */
	_Atomic uint32_t waiting; /* faults that wait for that */
	uint64_t *table;	  /* NULL: all pages P_RAM, not charged */
	uint32_t slot;		  /* where frozen pages are, or NO_SLOT */
	const struct mm_freeze
		*stash;		/* the mover's, while pages are P_STASHING */
	_Atomic uint16_t group; /* that pays: charge.h; a hint unlocked */
	int16_t ram_delta;	/* not yet in uhmm.ram */
	int16_t device_delta;	/* nor in uhmm.on_device */
	int16_t frozen_delta;	/* nor in uhmm.frozen */
	int16_t kept_delta;	/* nor in uhmm.kept */
	int16_t on_delta;	/* nor paid by the group, for @on_dev */
	uint8_t on_dev;
	uint16_t nr[P_NR_STATES];    /* pages in each state, P_RAM left out */
	_Atomic uint16_t nr_charged; /* pages counted as RAM; a hint unlocked */
	uint16_t nr_pinned;
	uint16_t nr_kept;	     /* pages with kept frames: kept.c */
	_Atomic uint16_t spent;	     /* kept no more; written under @lock */
	_Atomic uint16_t next_fault; /* where a stream would go on; a hint */
	_Atomic uint16_t window;     /* pages to resolve at once; a hint */
	int8_t share;		     /* clean.c: below 0 it does not pay here */
	uint16_t coherent_runs;	     /* mappings of their own; under @lock */
	uint16_t parked; /* pages with which it is on the policy's queue */
	uint8_t poor;	 /* times in a row: gain.c */
	uint32_t poor_until;
	_Atomic uint16_t accessed; /* by devices, of late; a hint */
	_Atomic bool huge;	   /* left as one huge page; a hint unlocked */
	uint32_t index;		   /* in uhmm.blocks */
};

/*
 * The group of @b pays for what has changed: @ram and @away pages more in RAM
 * and on devices, and b->on_delta on b->on_dev.  @b is locked, and not of the
 * root.
 */
typedef void pay_fn(struct uhmm *u, struct block *b, int ram, int away);

struct index_leaf {
	_Atomic(struct block *) block[INDEX_SIZE];
};

struct index {
	_Atomic(struct index_leaf *) leaf[INDEX_SIZE];
};

#define MAX_BLOCKS (UINT32_C(1) << 22) /* 8 TiB that ever moved */

/* block.c */
struct block *block_find(struct uhmm *u, uintptr_t addr);
struct block *block_get(struct uhmm *u, uintptr_t addr);
/*
 * Go on from *@at, or stay, to the first address below @end that has a block.
 * Return: false when none has.  The cost is that of the blocks that are there,
 * not of the range's width.
 */
bool block_next(struct uhmm *u, uintptr_t *at, uintptr_t end);
/*
 * While it is held, no block is created for @addr.  A fault where there is no
 * block takes it, so the fault is done before the first move begins.
 */
struct sys_mutex *block_birth_mutex(struct uhmm *u, uintptr_t addr);
int block_ensure_table(struct uhmm *u, struct block *b);
void block_lock(struct block *b) TAKES(b->lock);
void block_unlock(struct uhmm *u, struct block *b) LETS_GO(b->lock);
/*
 * A function that lets go of the lock except with one result says so: it
 * leaves with block_stays_locked(), and its caller goes on with
 * block_still_locked().  Nothing is done.
 */
static inline void block_stays_locked(const struct block *b)
	LETS_GO(b->lock) NOT_GUARDED;
static inline void block_still_locked(const struct block *b)
	TAKES(b->lock) NOT_GUARDED;
static inline void block_stays_locked(const struct block *b)
{
	(void)b;
}
static inline void block_still_locked(const struct block *b)
{
	(void)b;
}
/* Take the block's mover lock.  Waits until copies of other movers end. */
void block_take_mover(struct uhmm *u, struct block *b) TAKES(b->mover);
/* The same if that needs no wait. */
bool block_try_mover(struct block *b) TRIES_FOR(b->mover);
/* Drop the mover lock, then run deferred frame clean-up.  Unlocked. */
void block_let_go(struct uhmm *u, struct block *b) LETS_GO(b->mover);
void block_settle(struct uhmm *u, struct block *b, bool wake_all);
void block_wait(struct block *b, uint32_t seen);
static inline uintptr_t block_addr(const struct block *b, unsigned i)
{
	return b->va + i * MM_PAGE_SIZE;
}
/* Pages of the states that have @property, a constant; P_RAM is not counted. */
static inline unsigned block_nr(const struct block *b,
				enum page_property property)
{
#define BLOCK_NR_OF(arg, state, name, properties) \
	+((properties) & (arg) ? b->nr[P_##state] : 0u)
	return 0u PAGE_STATES(BLOCK_NR_OF, property);
#undef BLOCK_NR_OF
}

static inline uint64_t block_word(const struct block *b, unsigned i)
{
	return b->table ? b->table[i] : 0;
}
void block_set(struct uhmm *u, struct block *b, unsigned i, uint64_t word);
/* The page goes through @event; payload and flags of the word are cleared. */
enum page_state block_event(struct uhmm *u, struct block *b, unsigned i,
			    enum page_event event);
/* As above, and the page holds counted RAM (or is on @dev at @dpfn). */
void block_home(struct uhmm *u, struct block *b, unsigned i, enum page_event e);
void block_arrive(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		  uint64_t dpfn, enum page_event event);
void block_stash(struct uhmm *u, struct block *b, unsigned i);
/* The data of page @i are lost: a touch has SIGBUS.  @b is locked. */
void block_poison(struct uhmm *u, struct block *b, unsigned i);
/* Pages lost earlier raise SIGBUS when nobody manages them any more, too. */
void block_poison_lost(struct uhmm *u, struct block *b,
		       const struct mm_set *want);
uintptr_t block_slot_va(struct uhmm *u, const struct block *b);
/* The block needs its slot no more when no frame is in use.  Locked. */
void block_release_slot(struct uhmm *u, struct block *b);
/* [@start, @end) cut into blocks: where the part that begins at @start ends. */
static inline uintptr_t block_part_end(uintptr_t start, uintptr_t end)
{
	uintptr_t next = (start | (MM_BLOCK_SIZE - 1)) + 1;

	return next < end ? next : end;
}

static inline unsigned page_index(uintptr_t addr)
{
	return (unsigned)(addr >> MM_PAGE_SHIFT) % MM_BLOCK_PAGES;
}

#endif
