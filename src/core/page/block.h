/* SPDX-License-Identifier: MIT */
/*
 * block.h - 2 MiB of managed addresses: found without locks, and the words of
 * its pages.
 *
 * A block's lock protects its table, its counts and its slot.  The mover, the
 * one thread that takes pages out of the block, holds the block's mover lock.
 */
#ifndef UHMM_PAGE_BLOCK_H
#define UHMM_PAGE_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/page/hint.h"
#include "core/page/page.h"
#include "mm/mm.h"
#include "sys/lock.h"

struct block_file;
struct twins;
struct uhmm;

#define VA_BITS	   47
#define INDEX_BITS 13
#define INDEX_SIZE (1u << INDEX_BITS)
#define NR_BIRTHS  256

/*
 * 2 MiB of managed addresses that ever held something other than plain RAM.
 * @lock: protects @table, @nr, @slot and the deltas
 * "a hint": read without a lock; the value may be old
 */
struct block {
	uintptr_t va;
	struct sys_mutex lock;
	struct sys_mutex mover;
	_Atomic uint32_t settled; /* futex: counts moves that ended */
	_Atomic uint32_t waiting; /* faults that wait for @settled */
	uint64_t *table;	  /* NULL: all pages P_RAM, not charged */
	struct twins *twins;	  /* under @lock; NULL: none: twin.c */
	_Atomic(struct block_file *) file; /* under @lock: block_file.h */
	uint32_t slot;			   /* frames of the pages, or NO_SLOT */
	const struct mm_freeze
		*stash;		/* the mover's, while pages are P_STASHING */
	_Atomic uint16_t group; /* pays: charge.h; a hint */
	int16_t ram_delta;	/* not yet added to uhmm.ram */
	int16_t device_delta;	/* to uhmm.on_device */
	int16_t frozen_delta;	/* to uhmm.frozen */
	int16_t kept_delta;	/* to uhmm.kept */
	int16_t on_delta;	/* to the group, for @on_dev */
	uint8_t on_dev;
	uint16_t nr[P_NR_STATES];    /* pages in each state, P_RAM left out */
	_Atomic uint16_t nr_charged; /* pages counted as RAM; a hint */
	uint16_t nr_pinned;
	uint16_t nr_kept;	     /* pages with kept frames: kept.c */
	_Atomic uint16_t spent;	     /* no longer kept; under @lock */
	_Atomic uint16_t old;	     /* frames that pages were copied from */
	_Atomic uint16_t next_fault; /* a stream's next page; a hint */
	_Atomic uint16_t window;     /* pages to resolve at once; a hint */
	int8_t share;		     /* clean.c: below 0, not worth it */
	int8_t unchanged;	     /* unchanged.c: below 0, not worth it */
	uint16_t coherent_runs;	     /* mappings of device memory */
	uint16_t parked; /* pages parked when it was queued; 0: not queued */
	uint8_t poor;	 /* demotions in a row that freed little: gain.c */
	uint32_t poor_until;
	_Atomic uint16_t accessed;   /* by devices, recently; a hint */
	_Atomic bool huge;	     /* left as one huge page; a hint */
	struct hint order;	     /* enum uhmm_advice, of touches; @lock */
	struct hint cold;	     /* limit/advise.c; @lock */
	_Atomic bool is_cold;	     /* has @cold; a hint */
	_Atomic uint32_t evicted_at; /* limit/thrash.c: pages; 0: never */
	_Atomic uint32_t held_until; /* limit/thrash.c: ticks; 0: not held */
	uint16_t refaults;	     /* pages that came home too soon; @lock */
	uint32_t index;		     /* in uhmm.blocks */
};

/*
 * Charge the group of @b with the changes of the block: @ram pages more in RAM,
 * @away pages more on all devices, b->on_delta pages more on b->on_dev.  The
 * caller holds b->lock; the group is not the root.
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
 * Set *@at to the first address in [*@at, @end) that has a block.  Return:
 * false when there is none.  The time depends on the blocks that exist, not on
 * the length of the range.
 */
bool block_next(struct uhmm *u, uintptr_t *at, uintptr_t end);
/* The block that was made next after @b, or the first one for NULL; or NULL. */
struct block *block_after(struct uhmm *u, const struct block *b);
#define block_for_each(u, b)                                    \
	for (struct block *b = block_after(u, NULL); b != NULL; \
	     b = block_after(u, b))
/*
 * The mutex that keeps blocks from being created for @addr.  A fault where
 * there is no block holds it, so the fault ends before a first move begins.
 */
struct sys_mutex *block_birth_mutex(struct uhmm *u, uintptr_t addr);
int block_ensure_table(struct uhmm *u, struct block *b);
void block_lock(struct block *b) TAKES(b->lock);
void block_unlock(struct uhmm *u, struct block *b) LETS_GO(b->lock);
/*
 * The caller has another block's lock.  Twins that have ended wait for the next
 * block_unlock().
 */
void block_unlock_second(struct uhmm *u, struct block *b) LETS_GO(b->lock);
/*
 * For the thread-safety analysis; no code is generated.  A function that is
 * declared to unlock the block, but returns with the block locked for one
 * result, calls block_stays_locked() before that return.  Its caller calls
 * block_still_locked() after it.
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
/* Take the block's mover lock.  Waits until the copies of another mover end. */
void block_take_mover(struct uhmm *u, struct block *b) TAKES(b->mover);
/* Take the block's mover lock if it is free. */
bool block_try_mover(struct block *b) TRIES_FOR(b->mover);
/* Drop the mover lock, then run deferred frame clean-up.  Without b->lock. */
void block_let_go(struct uhmm *u, struct block *b) LETS_GO(b->mover);
void block_settle(struct uhmm *u, struct block *b, bool wake_all);
void block_wait(struct block *b, uint32_t seen);
static inline uintptr_t block_addr(const struct block *b, unsigned i)
{
	return b->va + i * MM_PAGE_SIZE;
}
/* How many pages have @property, a constant.  P_RAM pages are not counted. */
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
/*
 * Words are written by the functions below, and nowhere else.  The caller holds
 * b->lock, and the block has a table.
 */
/*
 * Page @i goes through @event; payload and flags of its word are cleared.  A
 * page of a file that would be P_EMPTY is in its file: P_DEVICE.
 */
enum page_state block_event(struct uhmm *u, struct block *b, unsigned i,
			    enum page_event event);
/*
 * Like block_event(), and the page is in RAM and counted (block_home()), or on
 * @dev at @dpfn (block_arrive()).
 */
void block_home(struct uhmm *u, struct block *b, unsigned i, enum page_event e);
void block_arrive(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		  uint64_t dpfn, enum page_event event);
void block_stash(struct uhmm *u, struct block *b, unsigned i);
/*
 * The application was faster than the mover of a P_STASHING page: @flag is
 * PAGE_DROP or PAGE_GONE, and all that the word tells the mover.
 */
void block_overtake(struct uhmm *u, struct block *b, unsigned i, uint64_t flag);
/*
 * Page @i is P_STASHING, but its own address has the page, or another that
 * came since.  It becomes what the flags of its word say.
 */
void block_unstash(struct uhmm *u, struct block *b, unsigned i);
/*
 * The page comes from another address with its mapping, or from the parent
 * process: @word says what it was there.
 */
void block_move_in(struct uhmm *u, struct block *b, unsigned i, uint64_t word);
/* One pin more, or one less, on a page that is PAGE_PINNABLE. */
void block_pin(struct uhmm *u, struct block *b, unsigned i);
void block_unpin(struct uhmm *u, struct block *b, unsigned i);
/*
 * Set and clear flags that change no count: PAGE_DROP, PAGE_SWAPPING,
 * PAGE_MARKED, and PAGE_ORPHAN of a lost page.
 */
void block_flag(struct block *b, unsigned i, uint64_t flags);
void block_unflag(struct block *b, unsigned i, uint64_t flags);
/*
 * The application discards page @i.  A thread is working on the page: it looks
 * at the flag when it is done.
 */
static inline void block_drop_later(struct block *b, unsigned i)
{
	block_flag(b, i, PAGE_DROP);
}
/*
 * Page @i is P_RAM, is there, and may have stayed write-protected.  When mremap
 * moves the page, a mover there needs to know that.
 */
void block_mark(struct block *b, unsigned i);
/*
 * The data of page @i are lost: a touch raises SIGBUS.  Caller holds b->lock.
 */
void block_poison(struct uhmm *u, struct block *b, unsigned i);
/*
 * Pages of @want that were lost earlier raise SIGBUS also when their addresses
 * are not managed any more.
 */
void block_poison_lost(struct uhmm *u, struct block *b,
		       const struct mm_set *want);
uintptr_t block_slot_va(struct uhmm *u, const struct block *b);
/* Return the slot to the pool if no frame is in use.  Caller holds b->lock. */
void block_release_slot(struct uhmm *u, struct block *b);
/* The end of the first block's part of [@start, @end). */
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
