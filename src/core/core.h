/* SPDX-License-Identifier: MIT */
/*
 * core.h - what heterogeneous memory management means: structs and rules.
 *
 * DOC: Locks
 *
 * In this order; whoever holds a later one must not take an earlier one:
 *
 *	gate		shared by whoever moves pages; exclusive around fork
 *	mover		one a block: who takes pages from it.  Held over copies
 *	nodes		devices that are nodes come and go, one at a time
 *	(event)		the backend's: events are applied one at a time
 *	charge		the tree of groups, and which one a block is of
 *	mirror		one a mirror: held over its callbacks (mirror.h)
 *	regions		writers of the region tree; readers need none (RCU)
 *	block		one a block: its table.  Never held over a callback
 *	birth		as a block's lock, where there is no block yet
 *	slot, pagemap, slab: leaves, held for a few instructions
 *	devices		adding and removing; held over stored(), which only says
 *			a number, so that the device stays meanwhile
 *	device		only around callbacks of a provider that wants it;
 *			nothing else is taken under it
 *
 * No lock is ever held on a stack that is itself managed: public calls made
 * on such a stack are run by the worker (request.c).  So a holder never waits
 * for a fault, and faults may take any lock but mover and gate.
 *
 * DOC: Moves
 *
 * A page under way has a state that names its mover (P_LEAVING, P_STASHING,
 * P_CLEARING: the holder of the block's mover lock; P_COMING: who
 * set it).  Copies run without the block's lock.  Afterwards the mover looks
 * again: if the word is as it left it, the page is its own and goes on;
 * otherwise the CPU or the application was faster and wins.  Words cannot
 * come back in between, because the mover owns the dpfn or the frame.
 */
#ifndef UHMM_CORE_H
#define UHMM_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/mirror.h>
#include <uhmm/provider.h>
#include <uhmm/uhmm.h>

#include "core/call.h"
#include "core/charge.h"
#include "core/device.h"
#include "core/dropped.h"
#include "core/fork.h"
#include "core/hist.h"
#include "core/page.h"
#include "core/region.h"
#include "core/request.h"
#include "core/serve.h"
#include "core/slab.h"
#include "mm/mm.h"
#include "mm/set.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define VA_BITS	    47
#define INDEX_BITS  13
#define INDEX_SIZE  (1u << INDEX_BITS)
#define MAX_DEVICES 256 /* number 0 is RAM */
#define NR_BIRTHS   256
#define MAX_HEIGHT  12
#define MAX_SLOTS   16384u

/* ---- Blocks (block.c) ---- */

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
	_Atomic uint16_t group; /* who pays: charge.h; a hint unlocked */
	int16_t ram_delta;	/* not yet in uhmm.ram */
	int16_t device_delta;	/* nor in uhmm.on_device */
	int16_t frozen_delta;	/* nor in uhmm.frozen */
	int16_t kept_delta;	/* nor in uhmm.kept */
	int16_t on_delta;	/* nor with the groups, for @on_dev */
	uint8_t on_dev;
	uint16_t nr[P_NR_STATES];    /* pages in each state, P_RAM left out */
	_Atomic uint16_t nr_charged; /* pages counted as RAM; a hint unlocked */
	uint16_t nr_pinned;
	uint16_t nr_kept;	     /* pages whose frames are kept: kept.c */
	_Atomic uint16_t spent;	     /* that were; written under @lock */
	_Atomic uint16_t next_fault; /* where a stream would go on; a hint */
	_Atomic uint16_t window;     /* pages to resolve at once; a hint */
	int8_t share;		     /* clean.c: below 0 it does not pay here */
	uint16_t coherent_runs;	     /* mappings of their own; by mover */
	uint16_t parked; /* pages with which it is on the policy's queue */
	_Atomic uint16_t accessed; /* by devices, of late; a hint */
	_Atomic bool huge;	   /* left as one huge page; a hint unlocked */
	uint32_t index;		   /* in uhmm.blocks */
};

struct index_leaf {
	_Atomic(struct block *) block[INDEX_SIZE];
};

struct index {
	_Atomic(struct index_leaf *) leaf[INDEX_SIZE];
};

/* ---- Regions (region.c) ---- */

/* A run of managed addresses; a node of a skip list that readers walk alone. */
struct region {
	uintptr_t start;
	_Atomic uintptr_t end;
	struct region *garbage; /* list of those to be freed */
	int height;
	_Atomic(struct region *) next[MAX_HEIGHT];
};

struct region_tree {
	struct sys_mutex lock;
	struct region head;
	struct slab slab;
	struct region *garbage; /* unlinked; freed after a grace period */
	unsigned nr_garbage;
	uint64_t seed;
};

/* ---- Slots (slot.c) ---- */

/*
 * @stock: pages that hold memory; kept true by whoever has the slot
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
	uint32_t nr_used;	     /* of the backend's slots, ever */
	_Atomic uint32_t nr_keeping; /* with kept frames */
	struct slot_list bare;	     /* without stock */
	struct slot_list thin;	     /* with a little */
	struct slot_list stocked[2]; /* small pages; huge ones */
	_Atomic uint64_t pages;	     /* stock in all of them */
	_Atomic uint64_t limit;	     /* of that */
};

/* Single pages of our own for lone faults: claimed by a bit, without locks. */
#define NR_BOUNCE 64
struct bounce {
	_Atomic uint64_t used;
	char *pages;
};

/* ---- Policy: the limit on RAM (policy.c) ---- */

#define MAX_THROTTLED 256

struct policy {
	_Atomic uint32_t kick;	   /* futex */
	_Atomic uint32_t faulting; /* the demoter may be in a fault */
	_Atomic uint32_t freed;	   /* futex: room was made */
	struct sys_mutex lock;
	uint32_t hand;	 /* next of uhmm.blocks to look at */
	uint32_t *queue; /* parked blocks, oldest first: a ring */
	uint32_t queue_head, queue_len, queue_size;
	uint64_t parked;		    /* pages parked, about */
	uintptr_t throttled[MAX_THROTTLED]; /* faults waiting for room */
	unsigned nr_throttled;
	struct sys_thread thread;
	_Atomic bool running, stop, told; /* @told: the limit is passed */
};

/* ---- Mirrors (mirror.c) ---- */

#define MAX_MIRRORS 256 /* number 0 is none */

/* @users: futex; @taken: until a removal has ended; under mirrors.lock */
struct mirror_slot {
	_Atomic(struct uhmm_mirror *) mirror;
	_Atomic uint32_t users;
	bool taken;
};

struct mirrors {
	struct sys_mutex lock;	/* adding and removing */
	_Atomic uint32_t count; /* 0: nobody has to be told anything */
	_Atomic uint32_t end;	/* no number from here on was ever used */
	struct mirror_slot slot[MAX_MIRRORS];
};

/* ---- Coherent devices (coherent.c) ---- */

/* Mappings of devices that take no part in migration (fixed.c). */
struct fixed_list {
	struct sys_mutex lock;
	struct fixed *list;
	_Atomic uint32_t nr;
	_Atomic int64_t pages;
	struct slab slab;
};

#define MAX_CARRIED 256

/* Device pages that went on with their mapping while it was replaced. */
struct carried {
	struct sys_mutex lock;
	unsigned nr;
	uint64_t page[MAX_CARRIED];
};

/* ---- The end (rescue.c) ---- */

struct rescue {
	struct sys_thread thread;
	_Atomic uint32_t state; /* futex */
	int result;		/* once it is done */
};

/* ---- Counters (stats.c) ---- */

struct counters {
	_Atomic uint64_t faults, soft_faults, zero_faults, spurious, to_device,
		to_ram, refused, touched, discarded, evicted, poisoned, errors,
		limit_waits, limit_exceeded, blocked_ns, unwritten;
};

struct uhmm {
	struct mm *mm;
	struct uhmm *heir; /* of @dead: heir.c */
	struct mm_client client;
	uint32_t flags;
	_Atomic bool dead; /* this is the child of a fork */
	struct sys_log log;
	struct index *index;
	struct slab block_slab, table_slab;
	struct sys_mutex blocks_lock;	    /* adding to @blocks */
	struct sys_mutex births[NR_BIRTHS]; /* see block_birth_lock() */
	struct block **blocks;
	_Atomic uint32_t nr_blocks;
	struct region_tree regions;
	struct slot_pool slots;
	struct bounce bounce;
	struct sys_mutex devices_lock;
	_Atomic(struct uhmm_device *) devices[MAX_DEVICES];
	struct uhmm_device *removed; /* list; freed at close */
	struct sys_mutex nodes_lock; /* devices that are nodes come and go */
	_Atomic uint32_t nr_nodes;
	_Atomic int64_t ram; /* pages */
	_Atomic int64_t ram_peak;
	_Atomic int64_t on_device, frozen, kept;
	struct mirrors mirrors;
	struct carried carried;
	struct fixed_list fixed;
	_Atomic int64_t coherent_runs; /* mappings of device memory */
	struct requests requests;
	struct policy policy;
	struct dropped dropped;
	struct charge charge;
	struct serve serve;
	struct watchdog watchdog;
	struct counters count;
	struct hist fault_ns;
	struct rescue rescue;
	_Atomic uint32_t gate; /* movers at work; fork.c */
	struct uhmm *next;     /* all contexts, for fork */
	struct fork fork;
};

#define MAX_BLOCKS (UINT32_C(1) << 22) /* 8 TiB that ever moved */

/* block.c */
struct block *block_find(struct uhmm *u, uintptr_t addr);
struct block *block_get(struct uhmm *u, uintptr_t addr);
/*
 * Go on from *@at, or stay, to the first address below @end that has a block.
 * Return: false when none has.  Costs what is there, not the range's width.
 */
bool block_next(struct uhmm *u, uintptr_t *at, uintptr_t end);
/*
 * While it is held the block of @addr, if there is none, does not appear: who
 * faults where nothing has moved yet is done before the first move begins.
 */
struct sys_mutex *block_birth_lock(struct uhmm *u, uintptr_t addr);
int block_ensure_table(struct uhmm *u, struct block *b);
void block_lock(struct block *b);
void block_unlock(struct uhmm *u, struct block *b);
/* Not a mover any more.  Not locked. */
void block_let_go(struct uhmm *u, struct block *b);
void block_settle(struct uhmm *u, struct block *b, bool wake_all);
void block_wait(struct block *b, uint32_t seen);
static inline uintptr_t block_addr(const struct block *b, unsigned i)
{
	return b->va + i * MM_PAGE_SIZE;
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
uintptr_t block_slot_va(struct uhmm *u, const struct block *b);
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

/* slot.c */
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

/*
 * out.c: pages of one block to a device, under its mover lock.  @why: of all
 * 512 pages, or NULL
 */
enum out_how {
	OUT_MIGRATE, /* all that @want names, because someone asked */
	OUT_DEMOTE,  /* what was parked and not used since */
	OUT_EVICT,   /* as OUT_MIGRATE, and what a fork(2) left shared */
};
/* Return: pages that went, or -errno when nothing could be tried. */
int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why);
/* Freeze what is in RAM, to see whether it is used.  Return: pages, -errno */
int out_park(struct uhmm *u, struct block *b);
/* Release the block's slot when nothing is frozen any more.  Locked. */
void out_release_slot(struct uhmm *u, struct block *b);

/*
 * peer.c: what of @want is on other devices goes to @dev, as far as it has
 * room.  -errno: a copy failed, and its pages stayed.  Under the mover lock.
 */
int peer_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *dev);

/*
 * home.c: pages of one block to RAM.  Ends when all of them are there at once:
 * under the mover lock, or while nothing leaves, which would never end else
 */
enum home_how {
	HOME_MIGRATE, /* what cannot be read stays on the device */
	HOME_RESCUE,  /* what cannot be read is lost: poison it */
};
int home_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *only, enum home_how how, uint8_t *why);
/* All managed pages, or those on @only.  -EIO when some were lost. */
int home_all(struct uhmm *u, struct uhmm_device *only, enum home_how how);
/* For one fault on a P_DEVICE page; @b locked, unlocked on return. */
enum mm_outcome home_fault(struct uhmm *u, struct block *b, unsigned i,
			   bool write);
/*
 * Page @i without a slot; what cannot be read is lost (-EIO).  @b locked,
 * unlocked on return.
 */
int home_lone(struct uhmm *u, struct block *b, unsigned i);
/* Map frozen pages [i, last) again.  @b locked.  Return: pages, -errno. */
int home_thaw(struct uhmm *u, struct block *b, unsigned i, unsigned last);
int home_run(struct uhmm *u, struct block *b, unsigned i, unsigned n,
	     bool share);

/* home_map.c: one block, locked; home_map_direct() unlocks unless it is 0 */
#define HOME_GIVE_PAGES 64 /* from here on moving frames beats copying them */
#define HOME_ATTEMPTS	3  /* to read a page before it is given up */
ssize_t home_map(struct uhmm *u, struct block *b, unsigned i, unsigned last,
		 const char *ram, struct slot *frames, bool share);
void home_mapped(struct uhmm *u, struct block *b, unsigned i, bool share);
ssize_t home_map_direct(struct uhmm *u, struct block *b, unsigned i, unsigned n,
			bool share);

/* mirror.c */
/*
 * Devices forget [start, end) before what was marked goes on.  May block on
 * devices; not with a block locked.
 */
void mirror_invalidate(struct uhmm *u, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why);
/* The same for what @set spans in a block. */
void mirror_invalidate_set(struct uhmm *u, const struct block *b,
			   const struct mm_set *set, enum uhmm_notify why);
/* Is there any that covers the page? */
bool mirror_covers(struct uhmm *u, uintptr_t addr);
/* Its mirrors are of no use any more. */
void mirror_device_gone(struct uhmm_device *dev);
int do_mirror_add(struct uhmm_mirror *m);
int do_mirror_remove(struct uhmm_mirror *m);
void mirror_destroy(struct uhmm *u);

/* mirror_fault.c */
int do_mirror_fault(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		    unsigned flags);
int do_mirror_snapshot(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		       uhmm_pfn_t *ret);
int do_notify(struct uhmm *u, uintptr_t addr, size_t len, enum uhmm_notify why);

/* exclusive.c: a CPU touch.  @b locked, unlocked on return. */
enum mm_outcome exclusive_fault(struct uhmm *u, struct block *b, unsigned i);

/* coherent.c */
/* Is it memory that the CPU maps by a file? */
bool device_is_mapped(const struct uhmm_device *dev);
/* Is the page on such a device, and mapped or about to be? */
bool coherent_is_mapped(struct uhmm *u, uint64_t w);
/* Its mapping went to @to while it was being replaced: what is there now? */
bool coherent_may_carry(struct uhmm *u);
uint64_t coherent_carry(struct uhmm *u, uint64_t w, uintptr_t to);
/* Did the device page go so?  Then it is not the mover's any more. */
bool carried_take(struct uhmm *u, unsigned dev, uint64_t dpfn);
/* Zero what was discarded there.  Without locks. */
void coherent_wipe(struct uhmm *u, struct block *b, const struct mm_set *set);
/* @b is locked, unlocked on return. */
enum mm_outcome coherent_fault(struct uhmm *u, struct block *b, unsigned i);

/* clean.c: pages in RAM whose copy on a device is still good */
bool clean_wanted(struct uhmm *u, struct block *b,
		  const struct uhmm_device *dev);
void clean_written(struct block *b);
/* Writable from now on, the copy is given up.  @b locked, unlocked. */
int clean_break(struct uhmm *u, struct block *b, const struct mm_set *want,
		const struct uhmm_device *only);
/* Out of RAM again, without a copy.  The mover's.  Return: pages that went. */
int clean_drop(struct uhmm *u, struct block *b, const struct mm_set *want);

/* kept.c: pages on a device whose frames are good still.  Locked, all of it */
bool kept_wanted(struct uhmm *u, const struct block *b,
		 const struct uhmm_device *dev);
void kept_add(struct uhmm *u, struct block *b, unsigned i);
bool kept_has(struct uhmm *u, const struct block *b, unsigned i);
void kept_forget(struct uhmm *u, struct block *b, unsigned i);
/* Give up what nobody needs: as a block is unlocked. */
void kept_tidy(struct uhmm *u, struct block *b);
/* Limits of RAM changed; the second for all blocks, none locked. */
void kept_limit(struct uhmm *u, struct block *b);
void kept_limit_all(struct uhmm *u);
/* Its device page is lost, and the frame all there is. */
void kept_park(struct uhmm *u, struct block *b, unsigned i);
/*
 * What is kept of @want comes home, of one device.  Return: -ENOENT: there is
 * none.  Else @b is unlocked, and 0, or -EAGAIN: look again.
 */
int kept_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *only, uint8_t *why);
/* For a fault on @i, at most @n pages. */
int kept_home_run(struct uhmm *u, struct block *b, unsigned i, unsigned n);

/* home_fault.c */
int home_init(struct uhmm *u);
void home_destroy(struct uhmm *u);

/* fault.c, event.c */
enum mm_outcome core_fault(void *priv, uintptr_t addr, unsigned flags);
void core_discard(void *priv, uintptr_t start, uintptr_t end);
void core_unmap(void *priv, uintptr_t start, uintptr_t end);
void core_remap(void *priv, uintptr_t from, uintptr_t to, size_t len);
void fault_poison(struct uhmm *u, struct block *b, unsigned i);
unsigned fault_window(struct uhmm *u, struct block *b, unsigned i);

/* range.c */
int range_check(struct uhmm *u, const void *addr, size_t len);
int range_take_in(struct uhmm *u, uintptr_t start, uintptr_t end, bool strict);
/* Bring pages home and manage them no more.  -EIO: some were lost. */
int range_forget(struct uhmm *u, uintptr_t start, uintptr_t end);
int core_tracked(void *priv, uintptr_t start, uintptr_t end);
/* Manage what is mapped there, without counting it. */
int range_adopt(struct uhmm *u, uintptr_t start, uintptr_t end);
int range_seed(struct uhmm *u, uintptr_t start, uintptr_t end);

/* migrate.c, pin.c, snapshot.c: bodies of the public calls */
/* Pages of one block.  @why is set for all of them. */
int migrate_block(struct uhmm *u, uintptr_t va, const struct mm_set *want,
		  struct uhmm_device *dev, uint8_t *why);
ssize_t do_prefer(struct uhmm *u, uintptr_t addr, size_t len,
		  struct uhmm_device *dev);
ssize_t do_migrate(struct uhmm *u, uintptr_t addr, size_t len,
		   struct uhmm_device *dev, uint8_t *why);
int do_register(struct uhmm *u, uintptr_t addr, size_t len);
int do_unregister(struct uhmm *u, uintptr_t addr, size_t len);
int64_t do_fault_in(struct uhmm *u, uintptr_t addr, size_t len, bool write);
int do_pin(struct uhmm *u, uintptr_t addr, size_t len);
int do_unpin(struct uhmm *u, uintptr_t addr, size_t len);
int do_snapshot(struct uhmm *u, uintptr_t addr, size_t len, uhmm_pfn_t *ret);

/* policy.c */
int policy_init(struct uhmm *u, uint64_t limit);
/* The RAM limit of a group changed. */
int policy_start(struct uhmm *u);
int policy_limit(struct uhmm_group *g);
void policy_kick(struct uhmm *u);
void policy_passed(struct uhmm *u);
/* Should a fault in @b wait for room?  Then wake() will come. */
bool policy_full(struct uhmm *u, const struct block *b);
bool policy_throttle(struct uhmm *u, struct block *b, unsigned i,
		     unsigned flags);
/* Wait for room for what comes home to @b, for as long as there is hope. */
void policy_make_way(struct uhmm *u, struct block *b);
/* One step of demotion.  Return: pages freed, 0 when nothing is left to do. */
int policy_step(struct uhmm *u);
/* The gate is shut: nobody has to wait for room. */
void policy_give_up(struct uhmm *u);
void policy_stop(struct uhmm *u);
void policy_destroy(struct uhmm *u);

/* context.c */
typedef int mm_open_fn(const struct mm_params *params, struct mm **ret_mm);
int core_open(const struct uhmm_params *params, mm_open_fn *open,
	      struct uhmm **ret_u);
const struct sys_log *uhmm_log(struct uhmm *u);
/* Was it opened by another process, whose memory this is a copy of? */
bool context_is_dead(const struct uhmm *u);

/* fork.c: whoever moves pages is inside; closed around a fork */
void gate_enter(struct uhmm *u);
void gate_leave(struct uhmm *u);
/* No mover enters any more; those inside go on. */
void gate_shut(struct uhmm *u);
bool gate_is_shut(struct uhmm *u);
void gate_reopen(struct uhmm *u);

/* rescue.c */
int rescue_start(struct uhmm *u);
void rescue_stop(struct uhmm *u);

/* stats.c */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
void count_ram(struct uhmm *u, int64_t delta);
int copy_struct(void *dst, size_t ksize, const void *src, size_t usize);

#endif
