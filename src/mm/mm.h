/* SPDX-License-Identifier: MIT */
/*
 * mm.h - how a CPU page table is driven: the contract of a backend.
 *
 * The core decides where each page should be; a backend makes the CPU's page
 * table follow.  uffd/ does it with userfaultfd(2), fake/ with a page table in
 * plain memory, for tests.  A backend knows addresses, not devices.
 *
 * Terms.  A *block* is 2 MiB of virtual addresses, aligned.  A *slot* is a
 * block of the backend's own addresses, where frames live: page i of a block
 * is always frozen into page i of its slot.  A *set* names pages of one block.
 *
 * Freezing takes a page from the CPU, so that its data cannot change: the page
 * itself is in the slot then, and nothing is at its address.  freeze() takes
 * pages one by one and does not wait; what it has to leave is for stash(),
 * which takes them by their mapping.
 *
 * Unless said otherwise an op returns 0 or -errno, may be called on any
 * thread, takes no lock that is held while the client is called, and never
 * touches managed memory.  -EAGAIN from any op means that the address space
 * is changing: drop all locks, let events be applied, look again.
 */
#ifndef UHMM_MM_H
#define UHMM_MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mm/set.h"

struct mm;

enum mm_fault_flags {
	MM_FAULT_WRITE = 1u << 0,     /* a write, else a read */
	MM_FAULT_WP = 1u << 1,	      /* the page is there, write-protected */
	MM_FAULT_MAY_BLOCK = 1u << 2, /* fault() may sleep: inline mode */
};

/* What fault() did about a fault. */
enum mm_outcome {
	MM_RESOLVED = 1, /* the page is there and its waiters are woken */
	MM_RETRY,	 /* wake the toucher: it will fault again, or not */
	MM_WAIT,	 /* leave it: the client calls wake() in a while */
	MM_SIGBUS,	 /* the data are lost; the page is poisoned */
};

/*
 * What a backend tells its client, the core.  fault() runs without any lock of
 * the backend.  The events run one at a time, and are complete before any
 * fault that follows them is delivered.
 */
struct mm_client {
	void *priv;
	enum mm_outcome (*fault)(void *priv, uintptr_t addr, unsigned flags);
	/* A thread of the backend that will serve faults begins.  Or NULL. */
	void (*serves)(void *priv);
	/*
	 * [start, end) is tracked from now on; called by track(), between two
	 * events.  If track() fails after that, unmap() is called.  May be
	 * NULL.
	 */
	int (*tracked)(void *priv, uintptr_t start, uintptr_t end);
	/* [start, end) was or will in a moment be emptied by the application */
	void (*discard)(void *priv, uintptr_t start, uintptr_t end);
	/* [start, end) is unmapped, possibly with something new in its place */
	void (*unmap)(void *priv, uintptr_t start, uintptr_t end);
	/* the mapping and what is known about it went from @from to @to */
	void (*remap)(void *priv, uintptr_t from, uintptr_t to, size_t len);
	/*
	 * A process was made that fork_begin() did not announce; or, in a
	 * child, a sibling made like that.  The client calls fork_guard(@child)
	 * for what is not at its address.  May be NULL.
	 */
	void (*forked)(void *priv, int child);
	/* Where threads of the backend that wait say so, or NULL. */
	struct sys_waits *waits;
};

/* What an extent of addresses is, as far as migration is concerned. */
enum mm_kind {
	MM_ANON = 1,	/* private anonymous: can be tracked */
	MM_UNSUPPORTED, /* file, shared, special */
	MM_UNMAPPED,
};

struct mm_extent {
	uintptr_t start, end;
	enum mm_kind kind;
};

/* A page as the CPU sees it. */
enum mm_look {
	MM_LOOK_MAPPED = 1u << 0,   /* something is mapped there */
	MM_LOOK_READ = 1u << 1,	    /* and may be read */
	MM_LOOK_WRITE = 1u << 2,    /* or written */
	MM_LOOK_PRESENT = 1u << 3,  /* the page is there */
	MM_LOOK_WRITABLE = 1u << 4, /* and a write would not fault */
	MM_LOOK_ZERO = 1u << 5,	    /* it is the shared page of zeroes */
	MM_LOOK_HUGE = 1u << 6,	    /* a part of a page of 2 MiB */
	MM_LOOK_GIGA = 1u << 7,	    /* or of 1 GiB */
	MM_LOOK_SHARED = 1u << 8,   /* the mapping is shared */
};

/*
 * One freeze of pages of one block.
 * @va, @slot: their first bytes, both 2 MiB aligned
 * @want: pages to take; all of them tracked and, as far as known, in RAM
 * @also: pages that may be framed too, where that is cheaper, if they are
 *	there; the caller gives them back
 * @shared: pages shared since a fork(2) are wanted as well; else freeze()
 *	refuses them
 * @stamp: set by freeze(); stash() takes nothing if mappings changed since
 * @framed: taken
 * @left: not taken, but stash() can
 * @holes: wanted, but there was nothing (they stay untouched)
 * @late: set by stash() before events are applied again: its frame holds, if
 *	anything, the page of a mapping that remap() brought to the address
 * @why: enum uhmm_why for each wanted page that is in none of the three, or
 *	that stash() framed but that must go back
 * @huge: the whole block went as one huge page
 */
struct mm_freeze {
	uintptr_t va, slot;
	struct mm_set want, also;
	bool shared;
	uint32_t stamp;
	struct mm_set framed, left, holes, late;
	uint8_t why[MM_BLOCK_PAGES];
	bool huge;
};

/*
 * Device memory at an address: @npages of file @fd from @offset, in bytes.
 * @stamp: of the block of @va, from when the pages were marked
 * @watched: events of it are raised: set by place(), told to unplace()
 */
struct mm_place {
	uintptr_t va;
	size_t npages;
	int fd;
	uint32_t stamp;
	uint64_t offset;
	bool watched;
};

/*
 * A look at pages of one block, or a move of them, between NUMA nodes.  They
 * keep their address, and can be used all the while.
 * @va: its first byte
 * @set: which pages
 * @to: the node to move them to, or MM_NODE_HOME
 * @on: the node on which each was when one looked, or below 0: no page is
 *	there, or that of zeroes
 * @why: enum uhmm_why for each that was not moved
 */
#define MM_NODE_HOME (-1) /* one that memory may come from; see avoid() */
#define MM_NODE_NONE (-1)
struct mm_nodes {
	uintptr_t va;
	struct mm_set set;
	int to;
	int16_t on[MM_BLOCK_PAGES];
	uint8_t why[MM_BLOCK_PAGES];
};

/* The client manages [start, end) no more.  0, -errno. */
typedef int mm_forget_fn(void *priv, uintptr_t start, uintptr_t end);

struct mm_ops {
	void (*close)(struct mm *mm);

	/*
	 * Around a fork(2): begin(), then end() in the parent, or take() and
	 * child() in the child.  take() waits for a descriptor by which the
	 * child can serve its own faults; -ENODATA: it has none and nothing may
	 * be away; -EOWNERDEAD: the parent died first.  All NULL, or none.
	 */
	int (*fork_begin)(struct mm *mm);
	void (*fork_end)(struct mm *mm);
	int (*fork_take)(struct mm *mm);
	/*
	 * Let a touch of these pages of another process be SIGBUS.
	 */
	void (*fork_guard)(struct mm *mm, int child, uintptr_t va,
			   size_t npages);
	/*
	 * Where fork_guard() cannot be, what is tracked is not mapped at all in
	 * a process that is not announced: @hide it, but not during a fork,
	 * between begin() and end().
	 */
	void (*fork_hide)(struct mm *mm, uintptr_t start, uintptr_t end,
			  bool hide);
	/* Stop being usable in the child of a fork(2); called there. */
	void (*child)(struct mm *mm);

	/* ---- Which addresses ---- */

	/*
	 * Wait until the events of all system calls that have returned are
	 * applied: what a thread did is known before its next call.  NULL:
	 * events never lag.
	 */
	void (*sync)(struct mm *mm);
	/*
	 * Apply all events there are.  Return: whether none is under way, so
	 * that what an op answered before the call is final.  NULL: always.
	 */
	bool (*is_still)(struct mm *mm);
	/*
	 * Classify [start, end), in order, without gaps, one extent for each
	 * mapping.  Memory of our own is MM_UNSUPPORTED.  Return: extents
	 * written (at most @max; call again from the last end for more).
	 */
	ssize_t (*survey)(struct mm *mm, uintptr_t start, uintptr_t end,
			  struct mm_extent *ret, size_t max);
	/*
	 * All of the mapping that @addr lies in, as far as it is MM_ANON.
	 * -ENOENT: @addr is not.  NULL: never.
	 */
	int (*mapping)(struct mm *mm, uintptr_t addr, struct mm_extent *ret);
	/*
	 * Have faults and events of [start, end) delivered.  The range is all
	 * MM_ANON.  Stale events for it have been delivered before: called
	 * without locks that they need.  -EBUSY: it belongs to another
	 * userfaultfd.  -ENOMEM: too many mappings.  What is not MM_ANON any
	 * more is left out.
	 */
	int (*track)(struct mm *mm, uintptr_t start, uintptr_t end);
	/*
	 * All pages are home and unprotected.  Unmapped parts are skipped.
	 * @forget, if not NULL, is called first, and no track() comes between:
	 * it would find the range unknown and have it delivered, which ended
	 * here then.  What it answers is returned; if not 0, nothing was done.
	 */
	int (*untrack)(struct mm *mm, uintptr_t start, uintptr_t end,
		       mm_forget_fn *forget, void *priv);
	/*
	 * Which of pages [first, last) of the block at @va are in RAM: a hint,
	 * unless they are frames.
	 */
	int (*resident)(struct mm *mm, uintptr_t va, unsigned first,
			unsigned last, struct mm_set *ret);
	/*
	 * The same, of the very mappings that the client knows: -EAGAIN while
	 * one is changing, for its pages may be at another address already.
	 * The block is locked.
	 */
	int (*resident_now)(struct mm *mm, uintptr_t va, unsigned first,
			    unsigned last, struct mm_set *ret);

	/*
	 * What mappings and page table say of @npages pages of any memory, enum
	 * mm_look each.
	 */
	int (*look)(struct mm *mm, uintptr_t start, size_t npages,
		    uint16_t *ret);
	/*
	 * Fault pages in, of mappings that are not tracked, or make tracked
	 * ones that are there writable.  Called without locks.
	 */
	int (*populate)(struct mm *mm, uintptr_t start, size_t npages,
			bool write);

	/* ---- Out ---- */

	/*
	 * Take pages, all or some (see struct mm_freeze).  Called with the
	 * block's lock held: must not wait for a fault.  -EAGAIN: nothing was
	 * taken.
	 */
	int (*freeze)(struct mm *mm, struct mm_freeze *f);
	/*
	 * Take all of @want by its mapping, after freeze() with the same
	 * struct; see @stamp.  Called without locks, while faults on these
	 * pages wait; waits until events are applied.  Before is_still() is
	 * true once, a page may be where an event that is yet to come says: one
	 * in a frame may have come, that of a hole gone.  The slot cannot be
	 * frozen into there until drop() of the whole.  UHMM_WHY_POISONED: a
	 * page cannot be read, and is gone from its address; poison() is due.
	 * What is not taken may be write-protected afterwards, or no longer.
	 */
	void (*stash)(struct mm *mm, struct mm_freeze *f);
	/* Let the CPU write to @npages that fill_shared() put there; wakes. */
	int (*unprotect)(struct mm *mm, uintptr_t va, size_t npages);
	/*
	 * Make pages of one block that a fork(2) left behind movable again,
	 * where no other process has them any more.  Called without locks; may
	 * cause a fault and wait for it.  NULL: not needed here.
	 */
	void (*unshare)(struct mm *mm, uintptr_t va, const struct mm_set *set);

	/* ---- In.  All wake the threads that wait for the pages ---- */

	/*
	 * Copy @src (not managed memory) to @va where nothing is.  Return:
	 * pages done, short at the first page that is there already or cannot
	 * be; -EEXIST, -EAGAIN, -ENOMEM, -ENOENT (unmapped) if that is the
	 * first.  Never flushes the TLB.
	 */
	ssize_t (*fill)(struct mm *mm, uintptr_t va, const void *src,
			size_t npages);
	/*
	 * As fill(), but write-protected: the first write is a fault with
	 * MM_FAULT_WP, answered by unprotect().  Only where mm.can_share.
	 */
	ssize_t (*fill_shared)(struct mm *mm, uintptr_t va, const void *src,
			       size_t npages);
	/*
	 * As fill(), but the frames themselves become the pages where that
	 * is possible, and are empty then: cheaper for long runs.  Whether
	 * frames were used up: *@ret_moved.
	 */
	ssize_t (*give)(struct mm *mm, uintptr_t va, uintptr_t frame,
			size_t npages, bool *ret_moved);
	/* As fill() from a page of zeroes; @write: the CPU is about to. */
	ssize_t (*zero)(struct mm *mm, uintptr_t va, size_t npages, bool write);
	/* Any touch of these pages raises SIGBUS until they are unmapped. */
	int (*poison)(struct mm *mm, uintptr_t va, size_t npages);
	/* Wake the threads that wait for the pages: they touch them again. */
	void (*wake)(struct mm *mm, uintptr_t va, size_t npages);

	/* ---- Device memory that the CPU maps; see uffd/place.c ---- */

	/* Changes whenever a mapping of the block does.  It is locked. */
	uint32_t (*stamp)(struct mm *mm, uintptr_t va);
	/*
	 * Map device memory where pages are frozen or nothing is.  Called
	 * without locks, waits until events are applied.  Return: pages done;
	 * -EAGAIN: mappings changed since @stamp; -ENOENT: they are not there
	 * any more; -ENOMEM, too many mappings for one.
	 */
	ssize_t (*place)(struct mm *mm, struct mm_place *p);
	/*
	 * Map anonymous memory there again, empty: a thread that touches it
	 * waits.  If it is anonymous already there is nothing to do.  As
	 * place().
	 */
	ssize_t (*unplace)(struct mm *mm, struct mm_place *p);
	/*
	 * Has @fd a file with @npages from @offset on?  -EBADF, -EINVAL.  NULL:
	 * there is no need to ask.
	 */
	int (*can_place)(struct mm *mm, int fd, uint64_t offset,
			 uint64_t npages);
	/* Is that device page mapped there? */
	bool (*is_placed)(struct mm *mm, uintptr_t va, int fd, uint64_t offset);
	/*
	 * Let threads go on that wait for device pages mapped there.  -EFAULT:
	 * there is no such page in the file.
	 */
	int (*resume)(struct mm *mm, uintptr_t va, size_t npages);

	/* ---- Nodes.  All NULL: there are none ---- */

	/*
	 * No memory of our own, and none of a range that isolate() is called
	 * for, comes from @node from now on (@on), or it may again.  -ENODEV:
	 * no other node would be left.  One call at a time.
	 */
	int (*avoid)(struct mm *mm, int node, bool on);
	/*
	 * Make a tracked range follow the last avoid(); what is tracked later
	 * does so by itself.  Pages stay where they are, and so does what the
	 * application itself has bound.  -errno: a part was left out.
	 */
	int (*isolate)(struct mm *mm, uintptr_t start, uintptr_t end);
	/* Fill in @on.  The block may be locked. */
	int (*node_look)(struct mm *mm, struct mm_nodes *n);
	/*
	 * Move what can be moved, and say of the rest why it could not.  Pages
	 * that are one huge page with others leave it first.  Called without
	 * locks.
	 */
	void (*node_move)(struct mm *mm, struct mm_nodes *n);

	/*
	 * ---- Objects: memory that several mappings, its views, share ----
	 *
	 * The client knows an object by addresses of the backend's own, which
	 * are MM_ANON to survey() and are tracked as others are.  What it does
	 * there, and what it says there, is so in each view: a fault in a view
	 * is told as one at the object's own address.  Pages of an object are
	 * never left to stash(), never placed, and never on a node.  All NULL:
	 * there are none.
	 */

	/* -EOPNOTSUPP: not with this kernel. */
	int (*object_create)(struct mm *mm, size_t len, uintptr_t *ret_va);
	/* It is not tracked any more.  Its views stay mapped. */
	void (*object_destroy)(struct mm *mm, uintptr_t va);
	/*
	 * One more view, of [va, va + len).  @own: what is written there is
	 * seen by nobody else.  -ENOSPC: there are too many.
	 */
	int (*object_map)(struct mm *mm, uintptr_t va, size_t len, int prot,
			  bool own, uintptr_t *ret_view);
	/* Pages that are there are holes from now on.  Takes no lock. */
	int (*object_punch)(struct mm *mm, uintptr_t va, size_t npages);
	/*
	 * The object's own address of what is at @addr.  0: @addr is in no
	 * view.  -EINVAL: not all of [addr, addr + len) is in one.
	 */
	int (*object_find)(struct mm *mm, uintptr_t addr, size_t len,
			   uintptr_t *ret_va);
	bool (*is_object)(struct mm *mm, uintptr_t va);

	/* ---- Slots ---- */

	/* Addresses of @nr slots that hold no memory yet; 0: there are none. */
	uintptr_t (*slots)(struct mm *mm, size_t nr);
	/*
	 * Have one huge page behind all frames of a slot that holds no memory.
	 * False: there is none, and the slot holds no memory.  Called without
	 * locks.  NULL: never.
	 */
	bool (*enlarge)(struct mm *mm, uintptr_t slot);
	/* Give the memory behind frames back to the system. */
	void (*drop)(struct mm *mm, uintptr_t frame, size_t npages);

	/*
	 * A fault has been in the client for long.  If all threads that serve
	 * faults are, let there be one more.  Called on a thread that the
	 * client can do without.  NULL: not needed here.
	 */
	void (*relieve)(struct mm *mm);

	/* Names of the features in use; as uhmm_features(). */
	int (*features)(struct mm *mm, char *buf, size_t len);
};

/* First member of each backend's own struct. */
struct mm {
	const struct mm_ops *ops;
	const struct mm_client *client;
	bool can_move;	/* give() moves, freeze() frames: recycling pays */
	bool can_share; /* write faults are served wherever they come from */
	size_t max_mappings; /* of the process; 0: it does not matter */
	bool is_inline;	     /* faults are resolved by the faulting thread */
	bool threads_first;  /* none can begin when memory is managed */
	bool can_fork;	     /* fork_take() gives a descriptor */
};

struct mm_params {
	unsigned fault_mode; /* enum uhmm_fault_mode */
	unsigned nr_threads;
	size_t nr_slots; /* most slots that will ever be asked for */
	const char *features_off;
	const struct mm_client *client; /* must outlive the backend */
	bool inherits; /* @inherited is what fork_take() gave, and used up */
	int inherited;
};

/* Open a backend.  Events and faults may arrive before it returns. */
int mm_uffd_open(const struct mm_params *params, struct mm **ret_mm);
int mm_fake_open(const struct mm_params *params, struct mm **ret_mm);

#endif
