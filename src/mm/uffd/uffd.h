/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - inside the userfaultfd backend; see mm.h for what it does.
 *
 * DOC: Two descriptors
 *
 * @u holds the application's tracked ranges and raises events when they are
 * discarded, unmapped or moved.  It also holds the slots, where pages can be
 * moved one by one, for the sake of what "Order" says.  @s holds the slots
 * where they cannot, and the part of a slot where a mapping is to arrive.  It
 * raises no events.
 *
 * DOC: Events
 *
 * The kernel holds the thread that raised an event only until it is read.  The
 * page's word must therefore have changed before that thread goes on:
 * reading and applying are one step under @event_lock, and every message is
 * read under it.  @seq is odd for that long; a thread that resolves its faults
 * by itself (inline mode) waits for the end of it.
 *
 * DOC: Order
 *
 * A page goes by its address.  Between an munmap(2) and the moment its event
 * is applied the address may already be someone else's: unmapped, or mapped
 * again, tracked (mremap(2) brought another managed range) or not.  What holds
 * in spite of that rests on what the kernel does:
 *
 *  1 A change of a tracked mapping counts as under way from before the change,
 *    under the lock that the change needs, until its event has been read.
 *  2 COPY, ZEROPAGE, WRITEPROTECT and MOVE on @u look at that count under the
 *    lock of the mappings that they work on, and fail with -EAGAIN.
 *
 * and on what the backend does:
 *
 *  3 No message is read while a thread is in the gate, so nothing that is under
 *    way comes to an end there.  Nobody enters before all that was read is
 *    applied.
 *  4 Events are applied in the order of the changes, if that of two threads is
 *    another: see order.c.
 *
 * So a call on @u that succeeds in the gate has worked on the very mappings
 * that the client knows: if the client looked at its words under the block's
 * lock, and entered the gate without letting go of it, they are right.  Taking
 * and placing of pages is done by such calls only.  What does not ask (a look
 * at the page table, see uffd_resident_now(); a mapping that moves, see
 * stash.c) is worth nothing before it is known that nothing was under way
 * before and after it.
 *
 * Lock order: keeper.lock, event_lock, the client's locks, the objects' lock,
 * maps_lock; ranges.lock last.
 */
#ifndef UHMM_UFFD_H
#define UHMM_UFFD_H

#include <linux/userfaultfd.h>
#include <stdatomic.h>

#include "mm/mm.h"
#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/nodes.h"
#include "sys/sys.h"
#include "sys/uapi.h"
#include "sys/waits.h"

enum {
	UFFD_ZERO_PAGES = 16,	/* in the buffer of zeroes */
	UFFD_HUGE_HINTS = 8192, /* a power of two */
	UFFD_LOST = 64,
	UFFD_SENT = 64,
	UFFD_FENCES = 32,
	UFFD_STAMPS = 256,	 /* a power of two */
	UFFD_MAX_RANGES = 65536, /* of the table of what is tracked */
};

/* Kernel features that can be turned off. */
struct uffd_features {
	bool move;	    /* UFFDIO_MOVE */
	bool poison;	    /* UFFDIO_POISON */
	bool stash;	    /* mremap(2) with MREMAP_DONTUNMAP */
	bool scan;	    /* PAGEMAP_SCAN */
	bool procmap;	    /* PROCMAP_QUERY */
	bool minor;	    /* minor faults of shared memory */
	bool kernel_faults; /* faults of system calls are served */
	bool fork;	    /* the fork event */
	bool object;	    /* shared memory can be write-protected */
};

struct uffd_range {
	uintptr_t start, end;
};

enum uffd_slot_flags {
	UFFD_STASHED = 1, /* a mapping there came from elsewhere */
};

struct uffd_tracked {
	_Atomic uintptr_t start, end;
};

/* The tracked ranges: sorted, disjoint; read under a seqlock. */
struct uffd_ranges {
	struct sys_mutex lock;
	_Atomic uint32_t seq;
	_Atomic size_t nr;
	_Atomic bool overflow;	/* anything may be ours */
	struct uffd_tracked *v; /* UFFD_MAX_RANGES */
};

/* A SIGBUS for a lost page, see poison.c. */
struct uffd_sent {
	int tid;
	uintptr_t va;
	uint64_t ns;
};

/* The keeper lets the gate open when a mapping has moved; see keeper.c. */
enum uffd_keeper_state {
	UFFD_KEEPER_IDLE,
	UFFD_KEEPER_ARMED,
	UFFD_KEEPER_BUSY,
	UFFD_KEEPER_STOP,
};

struct uffd_keeper {
	struct sys_mutex lock;	/* one move at a time */
	_Atomic uint32_t state; /* futex */
	struct mm_freeze *f;	/* NULL: @swap of struct uffd is waited for */
	uintptr_t frame;
	size_t len;
	bool running;
	struct sys_thread thread;
};

/* Nodes that are devices; see node.c. */
struct uffd_nodes {
	struct sys_mutex lock;
	_Atomic unsigned nr_avoided;
	struct sys_nodes others; /* by lock: what tracked ranges are bound to */
	struct sys_nodes before; /* and were before the last change */
};

/* Devices of the kernel module; see kmod.c. */
struct uffd_kmods {
	_Atomic unsigned nr;
	_Atomic uint64_t entry[MM_MAX_KMODS];
};

/* A mapping that replaces another one; see place.c. */
struct uffd_swap {
	uintptr_t from, to;
	size_t len;
	bool to_anon;  /* the new mapping is anonymous */
	bool unmapped; /* the unmap event of @to has been read */
	_Atomic bool active;
};

struct uffd {
	struct mm mm;
	struct uffd_features has;
	_Atomic bool dead; /* the child of a fork */

	int u, s;
	int slot_fd; /* @u or @s: what slots are registered with */
	int stop_fd; /* readable when @stopping, for poll(2) */
	_Atomic bool stopping;
	int pagemap, maps;	    /* -1: none */
	struct sys_mutex maps_lock; /* survey.c; a leaf */
	int fork[2];		    /* fork.c; by event_lock */
	_Atomic bool forking;
	_Atomic bool hid_early; /* fork.c */
	bool show_again;	/* fork.c; by event_lock */

	/* The first page is registered with @u and present; see above. */
	uintptr_t scratch;
	size_t scratch_len;
	char *zeroes;  /* UFFD_ZERO_PAGES, never written */
	char *nowhere; /* a page that cannot be read */

	uintptr_t slots;
	size_t nr_slots;
	_Atomic size_t next_slot;
	_Atomic uint8_t *slot_flags; /* enum uffd_slot_flags, one byte each */

	/*
	 * Blocks that left as one huge page, so that there is no page table at
	 * their address and one can come back: addresses hashed by block, a
	 * collision forgets.
	 */
	_Atomic uintptr_t *huge_hints;

	/* see poison.c */
	_Atomic uintptr_t lost[UFFD_LOST];
	struct uffd_sent sent[UFFD_SENT];
	struct sys_mutex sent_lock;

	/* Changes of mappings and discards, by block; see stash.c */
	_Atomic uint32_t stamps[UFFD_STAMPS], drops[UFFD_STAMPS];

	struct sys_mutex event_lock;
	_Atomic uint32_t seq;	  /* odd: an event is being read or applied */
	_Atomic uint32_t reading; /* nobody may enter the gate */
	_Atomic uint32_t inside;  /* in the gate */

	struct uffd_ranges ranges;
	_Atomic(struct uffd_objects *) objects; /* object.h; NULL: none yet */
	struct uffd_keeper keeper;
	struct uffd_nodes nodes;
	struct uffd_kmods kmods;
	_Atomic bool has_placed;       /* place() was called, ever */
	struct uffd_swap swap;	       /* by keeper.lock, as what follows */
	uintptr_t fences[UFFD_FENCES]; /* see place.c */
	unsigned nr_fences;

	struct sys_thread *threads;
	unsigned nr_threads;
	size_t threads_len;
	struct {
		_Atomic uint32_t serving; /* handlers that serve a fault */
		_Atomic uint32_t spares;  /* made, ever */
		_Atomic uint32_t called;  /* futex; of these, put to work */
	} relief;
};

static inline struct uffd *to_uffd(struct mm *mm)
{
	return (struct uffd *)mm;
}

static inline bool in_slots(const struct uffd *b, uintptr_t addr)
{
	return addr - b->slots < b->nr_slots * MM_BLOCK_SIZE;
}

/* ---- probe.c: what the kernel can do ---- */

int uffd_probe(struct uffd *b, const struct mm_params *params);
int uffd_list_features(struct mm *mm, char *buf, size_t len);

/* ---- io.c: the ioctls, one by one ---- */

/* Set when an ioctl on @u said -EAGAIN on this thread. */
extern _Thread_local bool uffd_saw_again;

int uffd_register(int fd, uintptr_t start, size_t len, uint64_t mode);
/*
 * Does a fault there come to us?  Asks the kernel, and changes nothing.
 * -EAGAIN: mappings are changing, which is_registered() takes for a yes.
 */
int uffd_ask_registered(const struct uffd *b, uintptr_t va);
bool uffd_is_registered(const struct uffd *b, uintptr_t va);
int uffd_unregister(int fd, uintptr_t start, size_t len);
int uffd_protect(const struct uffd *b, uintptr_t va, size_t len, bool on);
/* An event has been raised on @u and not been read. */
bool uffd_is_changing(const struct uffd *b);
void uffd_wake_range(const struct uffd *b, uintptr_t va, size_t len);
/* Bytes, or -errno when there are none. */
ssize_t uffd_move(int fd, uintptr_t dst, uintptr_t src, size_t len,
		  uint64_t mode);
ssize_t uffd_copy(const struct uffd *b, uintptr_t va, const void *src,
		  size_t len, uint64_t mode);
ssize_t uffd_zeropage(const struct uffd *b, uintptr_t va, size_t len);
ssize_t uffd_poison_range(const struct uffd *b, uintptr_t va, size_t len);

/* ---- pagemap.c: what is there ---- */

/* Pages of the block that are present or swapped, and of huge pages. */
int uffd_scan(const struct uffd *b, uintptr_t va, unsigned first, unsigned last,
	      struct mm_set *ret_there, struct mm_set *ret_huge);
int uffd_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		  struct mm_set *ret);
int uffd_resident_now(struct mm *mm, uintptr_t va, unsigned first,
		      unsigned last, struct mm_set *ret);
int uffd_pagemap_entries(const struct uffd *b, uintptr_t va, size_t n,
			 uint64_t *ret);
/* The pagemap entry of the page at @va, 0 if it cannot be read. */
uint64_t uffd_pagemap_entry(const struct uffd *b, uintptr_t va);
/* Is the page marked as lost, perhaps since before it was managed? */
bool uffd_is_poisoned(const struct uffd *b, uintptr_t va);
void uffd_unshare(struct mm *mm, uintptr_t va, const struct mm_set *set);

/* ---- look.c: for mirrors ---- */

int uffd_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret);
int uffd_populate(struct mm *mm, uintptr_t start, size_t npages, bool write);

/* ---- survey.c: mappings ---- */

ssize_t uffd_survey(struct mm *mm, uintptr_t start, uintptr_t end,
		    struct mm_extent *ret, size_t max);
int uffd_mapping(struct mm *mm, uintptr_t addr, struct mm_extent *ret);
/* The mapping that @addr lies in, or the next one.  -ENOENT: none. */
struct uffd_vma {
	uintptr_t start, end;
	bool anon; /* private, and without a file */
	bool read, write, exec, shared;
	bool zero;  /* shared, and made without a file of the program's */
	bool memfd; /* shared, and perhaps of memfd_create(2) */
	uint64_t inode, offset, dev; /* of a file */
	unsigned order; /* of its pages: more than 0 for hugetlbfs */
};
int uffd_find_vma(const struct uffd *b, uintptr_t addr, struct uffd_vma *ret);
/* Call @fn for all that is mapped, in order.  -ENOMEM: not for all. */
typedef void uffd_vma_fn(const struct uffd_vma *vma, void *arg);
int uffd_each_vma(const struct uffd *b, uffd_vma_fn *fn, void *arg);
/* Call @fn for all that is mapped and can be tracked, in order. */
typedef void uffd_part_fn(struct uffd *b, uintptr_t start, uintptr_t end);
void uffd_each_part(struct uffd *b, uffd_part_fn *fn);

/* ---- freeze.c: out ---- */

int uffd_freeze(struct mm *mm, struct mm_freeze *f);
void uffd_freeze_clear(struct mm_freeze *f);
/* Of the pages [first, last) of the block. */
void uffd_set_why(struct mm_freeze *f, unsigned first, unsigned last,
		  uint8_t why);
int uffd_protect_pages(struct mm *mm, uintptr_t va, size_t npages);
int uffd_unprotect(struct mm *mm, uintptr_t va, size_t npages);

/* ---- stash.c ---- */

void uffd_stash(struct mm *mm, struct mm_freeze *f);
bool uffd_try_stash(struct uffd *b);
/* Make a mapping that came from elsewhere one of our own. */
void uffd_make_ours(struct uffd *b, uintptr_t frame, size_t len);
/*
 * Changes whenever a mapping in the block of @va does, or of a few others, and
 * whenever something is discarded there.
 */
uint32_t uffd_stamp_all(const struct uffd *b, uintptr_t va);
void uffd_stamp_range(struct uffd *b, uintptr_t start, uintptr_t end);
void uffd_stamp_drop(struct uffd *b, uintptr_t start, uintptr_t end);
/* Enter the gate if nothing in the block has changed since, or will. */
bool uffd_gate_enter_as_it_was(struct uffd *b, uintptr_t va, uint32_t stamp);

/* ---- place.c ---- */

ssize_t uffd_place(struct mm *mm, struct mm_place *p);
ssize_t uffd_unplace(struct mm *mm, struct mm_place *p);
void uffd_place_sync(struct mm *mm);
int uffd_can_place(struct mm *mm, int fd, uint64_t offset, uint64_t npages);
bool uffd_is_placed(struct mm *mm, uintptr_t va, int fd, uint64_t offset);
int uffd_resume(struct mm *mm, uintptr_t va, size_t npages);
void uffd_fences_close(struct uffd *b);
/* Is it the event of a swap of ours?  Holds event_lock. */
bool uffd_swap_unmap(struct uffd *b, uintptr_t start, uintptr_t end);
bool uffd_swap_remap(struct uffd *b, uintptr_t from);

/* ---- keeper.c ---- */

int uffd_keeper_start(struct uffd *b);
void uffd_keeper_stop(struct uffd *b);
void uffd_keeper_arm(struct uffd *b, struct mm_freeze *f, uintptr_t frame,
		     size_t len);
/* The mover is back.  Return: whether it is in the gate still. */
bool uffd_keeper_done(struct uffd *b);

/* ---- resolve.c: in ---- */

ssize_t uffd_fill(struct mm *mm, uintptr_t va, const void *src, size_t npages);
ssize_t uffd_fill_shared(struct mm *mm, uintptr_t va, const void *src,
			 size_t npages);
ssize_t uffd_give(struct mm *mm, uintptr_t va, uintptr_t frame, size_t npages,
		  bool *ret_moved);
ssize_t uffd_zero(struct mm *mm, uintptr_t va, size_t npages, bool write);
void uffd_wake(struct mm *mm, uintptr_t va, size_t npages);
/* @va has left as a huge page; or small pages come to @va. */
void uffd_hint_huge(struct uffd *b, uintptr_t va);
void uffd_hint_small(struct uffd *b, uintptr_t va);

/* ---- poison.c ---- */

int uffd_poison(struct mm *mm, uintptr_t va, size_t npages);
/* Around a fault that may end in MM_SIGBUS. */
void uffd_poison_begin(const struct uffd *b);
void uffd_poison_signal(struct uffd *b, uintptr_t va, int tid);
/* The range was discarded or unmapped: its pages are new. */
void uffd_poison_forget(struct uffd *b, uintptr_t start, uintptr_t end);

/* ---- fork.c ---- */

int uffd_fork_begin(struct mm *mm);
void uffd_fork_end(struct mm *mm);
int uffd_fork_take(struct mm *mm);
void uffd_fork_guard(struct mm *mm, int child, uintptr_t va, size_t npages);
void uffd_fork_hide(struct mm *mm, uintptr_t start, uintptr_t end, bool hide);
/* These hold event_lock.  The range is not tracked any more. */
void uffd_show(struct uffd *b, uintptr_t start, uintptr_t end);
/* An event tells that something else is mapped there, perhaps hidden. */
void uffd_show_replaced(struct uffd *b, uintptr_t start, uintptr_t end);
/* An event tells that a tracked mapping came there, perhaps shown since. */
void uffd_hide_moved(struct uffd *b, uintptr_t start, uintptr_t end);
/* Hide a range that is newly tracked, whether a fork is under way or not. */
void uffd_hide_new(struct uffd *b, uintptr_t start, uintptr_t end);
/* A process was made, and @child is its userfaultfd.  Holds event_lock. */
void uffd_forked(struct uffd *b, int child);
/* Read a message when no descriptor is left for the one that it brings. */
ssize_t uffd_read_apart(struct uffd *b, struct uffd_msg *msg);

/* ---- slots.c ---- */

int uffd_slots_open(struct uffd *b, size_t nr);
void uffd_slots_close(struct uffd *b);
uintptr_t uffd_slots(struct mm *mm, size_t nr);
bool uffd_enlarge(struct mm *mm, uintptr_t slot);
void uffd_drop(struct mm *mm, uintptr_t frame, size_t npages);
_Atomic uint8_t *uffd_slot_flags(const struct uffd *b, uintptr_t slot);
void uffd_slot_zap(struct uffd *b, uintptr_t start, size_t len);
int uffd_slot_expect(struct uffd *b, uintptr_t start, size_t len);
void uffd_slot_unexpect(struct uffd *b, uintptr_t start, size_t len);
/* Make a part of a slot as it was at first: nothing in it, ready for use. */
int uffd_slot_renew(struct uffd *b, uintptr_t start, size_t len);

/* ---- relief.c: more of them ---- */

#define UFFD_SPARES 64

int uffd_relief_start(struct uffd *b);
void uffd_relief_stop(struct uffd *b);
void uffd_relieve(struct mm *mm);

/* ---- event.c: handler threads ---- */

void uffd_handler(struct uffd *b);

int uffd_threads_start(struct uffd *b, unsigned nr);
void uffd_threads_stop(struct uffd *b);
void uffd_sync(struct mm *mm);
bool uffd_is_still(struct mm *mm);
/* Read and apply all that waits.  Holds event_lock before and after. */
void uffd_drain(struct uffd *b);
/* Apply one event.  Caller holds event_lock and has closed the gate. */
void uffd_apply(struct uffd *b, const struct uffd_msg *msg);
/* -EAGAIN: an event is on its way; let it be applied. */
int uffd_gate_enter(struct uffd *b);
int uffd_gate_pass(struct uffd *b);
void uffd_gate_passed(struct uffd *b);
/* Whether an event came up while inside. */
bool uffd_gate_leave(struct uffd *b);

/* ---- order.c ---- */

/* Apply @msg after events that are read later and happened before it. */
void uffd_apply_in_order(struct uffd *b, const struct uffd_msg *msg);

/* ---- track.c ---- */

int uffd_track(struct mm *mm, uintptr_t start, uintptr_t end);
int uffd_untrack(struct mm *mm, uintptr_t start, uintptr_t end,
		 mm_forget_fn *forget, void *priv);

/* ---- ranges.c ---- */

int uffd_ranges_open(struct uffd *b);
void uffd_ranges_close(struct uffd *b);
void uffd_ranges_add(struct uffd *b, uintptr_t start, uintptr_t end);
void uffd_ranges_del(struct uffd *b, uintptr_t start, uintptr_t end);
bool uffd_ranges_has(const struct uffd *b, uintptr_t addr);
/* The first part that is tracked; where the table is full, all of it. */
bool uffd_ranges_next(struct uffd *b, uintptr_t start, uintptr_t end,
		      uintptr_t *ret_start, uintptr_t *ret_end);
/* Is any of it known to be tracked? */
bool uffd_ranges_touch(struct uffd *b, uintptr_t start, uintptr_t end);

/* ---- node.c ---- */

int uffd_avoid(struct mm *mm, int node, bool on);
int uffd_isolate(struct mm *mm, uintptr_t start, uintptr_t end);
/* New, and to be put into a tracked range. */
int uffd_bind_new(struct uffd *b, uintptr_t start, size_t len);
/* The range is the application's alone: its memory may come from anywhere. */
void uffd_release(struct uffd *b, uintptr_t start, uintptr_t end);
int uffd_node_look(struct mm *mm, struct mm_sites *n);
void uffd_node_move(struct mm *mm, struct mm_sites *n);

/* ---- kmod.c, site.c ---- */

extern const struct mm_kmod_ops uffd_kmod_ops;
bool uffd_has_kmod(const struct uffd *b);
/*
 * Fill in @on for pages that are on a device; and for the others in RAM, if
 * @all.
 */
int uffd_kmod_look(struct uffd *b, struct mm_sites *n, bool all);
void uffd_kmod_move(struct uffd *b, struct mm_sites *n);
int uffd_site_look(struct mm *mm, struct mm_sites *n);
void uffd_site_move(struct mm *mm, struct mm_sites *n);

/* ---- inline.c: SIGBUS ---- */

int uffd_inline_open(struct uffd *b);
void uffd_inline_close(struct uffd *b);
void uffd_inline_child(struct uffd *b);
/* Before and after a registration, or an event: see there. */
void uffd_inline_changed(const struct uffd *b);

#endif
