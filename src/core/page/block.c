/* SPDX-License-Identifier: MIT */
/*
 * block.c - blocks: found by address without locks, and the words in them.
 *
 * The index is a radix tree of two levels over the 2 MiB blocks of 47 bits of
 * addresses: a look-up is two loads, whatever the number of regions.  Blocks
 * and leaves are only added while the context lives, so readers need no lock.
 * A block costs memory from when one of its pages is not plain RAM for the
 * first time; its table (8 bytes a page) exists only while a page is not plain
 * RAM.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/page/block.h"
#include "core/page/block_check.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slab.h"
#include "core/page/slot.h"
#include "core/page/twin.h"

#define POISON_TRIES 10000

static unsigned leaf_index(uintptr_t addr)
{
	return (unsigned)(addr >> (MM_BLOCK_SHIFT + INDEX_BITS)) % INDEX_SIZE;
}

static unsigned block_index(uintptr_t addr)
{
	return (unsigned)(addr >> MM_BLOCK_SHIFT) % INDEX_SIZE;
}

struct block *block_find(struct uhmm *u, uintptr_t addr)
{
	struct index_leaf *leaf;

	if (addr >> VA_BITS)
		return NULL;
	leaf = atomic_load_explicit(&u->index->leaf[leaf_index(addr)],
				    memory_order_acquire);
	if (!leaf)
		return NULL;
	return atomic_load_explicit(&leaf->block[block_index(addr)],
				    memory_order_acquire);
}

bool block_next(struct uhmm *u, uintptr_t *at, uintptr_t end)
{
	const uintptr_t leaf_size = (uintptr_t)INDEX_SIZE << MM_BLOCK_SHIFT;
	const uintptr_t top = (uintptr_t)1 << VA_BITS;

	end = end < top ? end : top;
	while (*at < end) {
		bool has_leaf = atomic_load_explicit(
			&u->index->leaf[leaf_index(*at)], memory_order_acquire);

		if (has_leaf && block_find(u, *at))
			return true;
		*at = (*at | ((has_leaf ? MM_BLOCK_SIZE : leaf_size) - 1)) + 1;
	}
	return false;
}

static struct index_leaf *leaf_get(struct uhmm *u, uintptr_t addr)
{
	_Atomic(struct index_leaf *) *p = &u->index->leaf[leaf_index(addr)];
	struct index_leaf *leaf = atomic_load(p);

	if (leaf)
		return leaf;
	leaf = sys_alloc(sizeof(*leaf));
	if (leaf)
		atomic_store_explicit(p, leaf, memory_order_release);
	return leaf;
}

struct sys_mutex *block_birth_mutex(struct uhmm *u, uintptr_t addr)
{
	return &u->births[(addr >> MM_BLOCK_SHIFT) % NR_BIRTHS];
}

struct block *block_after(struct uhmm *u, const struct block *b)
{
	uint32_t n = b ? b->index + 1 : 0;

	return n < atomic_load_explicit(&u->nr_blocks, memory_order_acquire) ?
		       u->blocks[n] :
		       NULL;
}

static struct block *block_new(struct uhmm *u, uintptr_t addr)
{
	struct sys_mutex *birth = block_birth_mutex(u, addr);
	uint32_t nr = atomic_load(&u->nr_blocks);
	struct index_leaf *leaf = leaf_get(u, addr);
	struct block *b;

	if (!leaf || nr == MAX_BLOCKS)
		return NULL;
	b = slab_alloc(&u->block_slab);
	if (!b)
		return NULL;
	b->va = addr & ~(MM_BLOCK_SIZE - 1);
	b->index = nr;
	b->slot = NO_SLOT;
	sys_mutex_set_rank(&b->lock, RANK_BLOCK);
	sys_mutex_set_rank(&b->mover, RANK_MOVER);
	u->blocks[nr] = b;
	atomic_store_explicit(&u->nr_blocks, nr + 1, memory_order_release);
	sys_mutex_lock(birth);
	atomic_store_explicit(&leaf->block[block_index(addr)], b,
			      memory_order_release);
	sys_mutex_unlock(birth);
	return b;
}

/* Find or make the block of @addr; NULL when there is no memory for it. */
struct block *block_get(struct uhmm *u, uintptr_t addr)
{
	struct block *b = block_find(u, addr);

	if (b || addr >> VA_BITS)
		return b;
	sys_mutex_lock(&u->blocks_lock);
	b = block_find(u, addr);
	if (!b)
		b = block_new(u, addr);
	sys_mutex_unlock(&u->blocks_lock);
	return b;
}

void block_lock(struct block *b) NOT_GUARDED
{
	sys_mutex_lock(&b->lock);
}

static unsigned nr_charged(const struct block *b)
{
	return atomic_load_explicit(&b->nr_charged, memory_order_relaxed);
}

/* Are all pages P_RAM and not counted?  Then the table can be freed. */
static bool table_is_plain(const struct block *b)
{
	unsigned n = nr_charged(b) + b->nr_pinned;

	for (int s = P_RAM + 1; s < P_NR_STATES; s++)
		n += b->nr[s];
	return n == 0;
}

static void flush_sum(_Atomic int64_t *total, int16_t *delta)
{
	if (*delta)
		atomic_fetch_add_explicit(total, *delta, memory_order_relaxed);
	*delta = 0;
}

void block_unlock_second(struct uhmm *u, struct block *b) NOT_GUARDED
{
	int delta = b->ram_delta, all = delta + b->device_delta;
	uint64_t *table = NULL;

	if (atomic_load_explicit(&b->spent, memory_order_relaxed))
		kept_tidy(u, b);
	if (atomic_load_explicit(&b->group, memory_order_relaxed))
		u->pay(u, b, delta, b->device_delta);
	b->ram_delta = 0;
	flush_sum(&u->on_device, &b->device_delta);
	flush_sum(&u->frozen, &b->frozen_delta);
	flush_sum(&u->kept, &b->kept_delta);
	block_check(u, b);
	if (b->table && table_is_plain(b)) {
		table = b->table;
		b->table = NULL;
	}
	sys_mutex_unlock(&b->lock);
	if (delta || all > 0)
		count_ram(u, delta, all);
	if (table)
		slab_free(&u->table_slab, table);
}

/* Apart, for its stack. */
static __attribute__((noinline)) void
unlock_with_twins(struct uhmm *u, struct block *b) NOT_GUARDED
{
	uint64_t ended[MM_BLOCK_PAGES];
	unsigned n = twin_take_ended(u, b, ended);

	block_unlock_second(u, b);
	u->free_twins(u, ended, n);
}

void block_unlock(struct uhmm *u, struct block *b) NOT_GUARDED
{
	if (b->twins)
		unlock_with_twins(u, b);
	else
		block_unlock_second(u, b);
}

void block_take_mover(struct uhmm *u, struct block *b) NOT_GUARDED
{
	sys_wait_lock(&u->waits, &b->mover, "a move to end in the block at",
		      b->va);
}

bool block_try_mover(struct block *b) NOT_GUARDED
{
	return sys_mutex_trylock(&b->mover);
}

void block_let_go(struct uhmm *u, struct block *b) NOT_GUARDED
{
	sys_mutex_unlock(&b->mover);
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&b->spent, memory_order_relaxed))
		return;
	block_lock(b);
	block_unlock(u, b); /* kept_tidy() */
}

int block_ensure_table(struct uhmm *u, struct block *b)
{
	if (b->table)
		return 0;
	b->table = slab_alloc(&u->table_slab);
	if (!b->table)
		return -ENOMEM;
	dropped_recall(u, b);
	return 0;
}

/* Runs for each page of each move, therefore without branches. */
static void count_state(struct block *b, uint64_t w, int by)
{
	enum page_state s = page_state(w);
	int ram = page_in_ram(w) * by;

	b->nr[s] = (uint16_t)(b->nr[s] + (s != P_RAM) * by);
	b->device_delta = (int16_t)(b->device_delta + block_is_away(b, w) * by);
	b->frozen_delta =
		(int16_t)(b->frozen_delta + page_has(w, PAGE_IN_FRAME) * by);
	atomic_store_explicit(&b->nr_charged,
			      (uint16_t)((int)nr_charged(b) + ram),
			      memory_order_relaxed);
	b->ram_delta = (int16_t)(b->ram_delta + ram);
	if (page_pins(w))
		b->nr_pinned = (uint16_t)(b->nr_pinned + by);
}

/* Sum up what the block's group pays for @w, for one device at a time. */
static void count_device(struct uhmm *u, struct block *b, uint64_t w, int by)
{
	if (!block_is_away(b, w))
		return;
	if (b->on_dev != page_dev(w))
		u->pay(u, b, 0, 0);
	b->on_dev = (uint8_t)page_dev(w);
	b->on_delta = (int16_t)(b->on_delta + by);
}

/* Caller holds b->lock, and the block has a table. */
static void set_word(struct uhmm *u, struct block *b, unsigned i, uint64_t word)
{
	if (atomic_load_explicit(&b->group, memory_order_relaxed)) {
		count_device(u, b, b->table[i], -1);
		count_device(u, b, word, 1);
	}
	if (b->nr_kept)
		kept_forget(u, b, i);
	if (b->twins)
		twin_follow(b, i, word);
	block_file_written(b, i);
	count_state(b, b->table[i], -1);
	b->table[i] = word;
	count_state(b, word, 1);
}

/*
 * *@ret: the state after @event.  Return: false when @event is illegal, which
 * is a bug of the library.  The word is not changed then, so the page's data
 * stay reachable.
 */
static bool event_to(struct uhmm *u, struct block *b, unsigned i,
		     enum page_event event, enum page_state *ret)
{
	enum page_state from = page_state(b->table[i]);
	int to = page_next(from, event);

	*ret = to < 0 ? from : (enum page_state)to;
	if (to >= 0)
		return true;
	debug_check(false, "page %#lx: %s in state %s",
		    (unsigned long)(b->va + i * MM_PAGE_SIZE),
		    page_event_name(event), page_state_name(from));
	sys_logf(&u->log, SYS_ERR, "page %#lx: %s in state %s",
		 (unsigned long)(b->va + i * MM_PAGE_SIZE),
		 page_event_name(event), page_state_name(from));
	return false;
}

/* A page keeps its pins until its mapping is gone. */
static uint64_t kept_pins(uint64_t old, enum page_state to,
			  enum page_event event)
{
	if (event == E_FORGET || (to != P_RAM && to != P_DROPPED))
		return 0;
	return page_pins(old) << PAGE_PIN_SHIFT;
}

enum page_state block_event(struct uhmm *u, struct block *b, unsigned i,
			    enum page_event event)
{
	enum page_state to;

	if (!event_to(u, b, i, event, &to))
		return to;
	set_word(u, b, i,
		 block_bare_word(b, i, to) | kept_pins(b->table[i], to, event));
	return page_state(b->table[i]);
}

void block_home(struct uhmm *u, struct block *b, unsigned i, enum page_event e)
{
	enum page_state to;

	if (event_to(u, b, i, e, &to))
		set_word(u, b, i,
			 (uint64_t)to | PAGE_CHARGED |
				 kept_pins(b->table[i], to, e));
}

void block_arrive(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		  uint64_t dpfn, enum page_event event)
{
	enum page_state to;

	if (event_to(u, b, i, event, &to))
		set_word(u, b, i, page_on_device(to, dev, dpfn));
}

/*
 * The page's mapping begins to move.  The word keeps whether the page counts as
 * RAM, whether it may be write-protected, and its device page.
 */
void block_stash(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i);
	uint64_t kept = w & ~(PAGE_STATE_MASK | PAGE_SYNCING);
	enum page_state to;

	if (!event_to(u, b, i, E_STASH, &to))
		return;
	if (page_in_ram(w))
		kept |= PAGE_CHARGED;
	if (page_state(w) == P_DEVICE)
		kept |= PAGE_AWAY;
	if (page_state(w) == P_CLEAN)
		kept |= PAGE_MARKED;
	set_word(u, b, i, (uint64_t)to | kept);
}

void block_overtake(struct uhmm *u, struct block *b, unsigned i, uint64_t flag)
{
	debug_check(page_state(block_word(b, i)) == P_STASHING,
		    "a page is overtaken that has no mover");
	set_word(u, b, i, P_STASHING | flag);
}

void block_unstash(struct uhmm *u, struct block *b, unsigned i)
{
	const uint64_t mover = PAGE_STATE_MASK | PAGE_GONE | PAGE_NEW;
	uint64_t w = block_word(b, i);

	debug_check(page_state(w) == P_STASHING,
		    "a page goes back that has no mover");
	set_word(u, b, i,
		 w & PAGE_DROP ? dropped_word() : P_RAM | (w & ~mover));
}

void block_move_in(struct uhmm *u, struct block *b, unsigned i, uint64_t word)
{
	set_word(u, b, i, word);
}

void block_pin(struct uhmm *u, struct block *b, unsigned i)
{
	set_word(u, b, i, block_word(b, i) + PAGE_PIN_ONE);
}

void block_unpin(struct uhmm *u, struct block *b, unsigned i)
{
	set_word(u, b, i, block_word(b, i) - PAGE_PIN_ONE);
}

void block_flag(struct block *b, unsigned i, uint64_t flags)
{
	uint64_t w = b->table[i];

	debug_check(page_in_ram(w) == page_in_ram(w | flags),
		    "a flag changes what a page counts as");
	b->table[i] = w | flags;
}

void block_unflag(struct block *b, unsigned i, uint64_t flags)
{
	b->table[i] &= ~flags;
}

void block_mark(struct block *b, unsigned i)
{
	debug_check(page_state(block_word(b, i)) == P_RAM,
		    "a page that is not RAM is marked");
	block_flag(b, i, PAGE_MARKED);
}

uintptr_t block_slot_va(struct uhmm *u, const struct block *b)
{
	return slot_va(u, b->slot);
}

void block_release_slot(struct uhmm *u, struct block *b)
{
	uint32_t slot = b->slot;

	if (slot == NO_SLOT || b->nr_kept || block_nr(b, PAGE_USES_FRAME))
		return;
	b->slot = NO_SLOT;
	kept_none_old(u, b);
	slot_put(u, slot);
}

/* A move in @b ended: let waiting faults look again.  Without b->lock. */
void block_settle(struct uhmm *u, struct block *b, bool wake_all)
{
	atomic_fetch_add(&b->settled, 1);
	if (!atomic_exchange(&b->waiting, 0) && !wake_all)
		return;
	sys_futex_wake(&b->settled, INT32_MAX);
	u->mm->ops->wake(u->mm, b->va, MM_BLOCK_PAGES);
}

/*
 * Wait for a move in @b to end, for a bounded time.  @seen: b->settled, read
 * under b->lock.
 */
void block_wait(struct block *b, uint32_t seen)
{
	atomic_store(&b->waiting, 1);
	sys_futex_wait(&b->settled, seen, 100 * 1000 * 1000);
}

void block_poison(struct uhmm *u, struct block *b, unsigned i)
{
	uintptr_t va = b->va + i * MM_PAGE_SIZE;

	block_event(u, b, i, E_LOSE);
	count_add(&u->count.poisoned, 1);
	sys_logf(&u->log, SYS_ERR, "page %#lx is lost", (unsigned long)va);
	u->mm->ops->poison(u->mm, va, 1);
}

static int poison_lost(struct uhmm *u, struct block *b,
		       const struct mm_set *want)
{
	int err = 0;

	block_lock(b);
	if (b->nr[P_POISONED])
		set_for_each(want, i)
			if (page_state(block_word(b, i)) == P_POISONED &&
			    u->mm->ops->poison(u->mm, b->va + i * MM_PAGE_SIZE,
					       1) == -EAGAIN)
				err = -EAGAIN;
	block_unlock(u, b);
	return err;
}

/*
 * A lost page could not be poisoned if the address space was changing; the
 * fault of the next touch does it.  After HOME_RESCUE the library sees no
 * faults, and a touch would read zeroes: so poison the page now.
 */
void block_poison_lost(struct uhmm *u, struct block *b,
		       const struct mm_set *want)
{
	for (int tries = 0; tries < POISON_TRIES; tries++) {
		if (!poison_lost(u, b, want))
			return;
		sys_yield();
	}
}
