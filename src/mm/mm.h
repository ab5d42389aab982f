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
#include "mm/sites.h"

struct mm;

enum mm_fault_flags {
	MM_FAULT_WRITE = 1u << 0,     /* a write, else a read */
	MM_FAULT_WP = 1u << 1,	      /* the page is there, write-protected */
	MM_FAULT_MAY_BLOCK = 1u << 2, /* fault() may sleep: inline mode */
};

/* The result of mm_client.fault(). */
enum mm_outcome {
	MM_RESOLVED = 1, /* the page is there and its waiters are woken */
	MM_RETRY,	 /* wake the faulting thread: it touches again */
	MM_WAIT,	 /* let it wait: the client calls wake() later */
	MM_SIGBUS,	 /* the data are lost; the page is poisoned */
};

/*
 * Calls from a backend to its client, the core.  fault() runs without any lock
 * of the backend.  Events are delivered one at a time, and each has returned
 * before a later fault is delivered.
 */
struct mm_client {
	void *priv;
	enum mm_outcome (*fault)(void *priv, uintptr_t addr, unsigned flags);
	/*
	 * A thread of the backend that will serve faults starts.  May be NULL.
	 */
	void (*serves)(void *priv);
	/*
	 * [start, end) is tracked from now on; called by track(), between two
	 * events.  If track() fails after that, unmap() is called.  May be
	 * NULL.
	 */
	int (*tracked)(void *priv, uintptr_t start, uintptr_t end);
	/* the application discarded [start, end), or will have in a moment */
	void (*discard)(void *priv, uintptr_t start, uintptr_t end);
	/* [start, end) is unmapped, possibly with something new in its place */
	void (*unmap)(void *priv, uintptr_t start, uintptr_t end);
	/*
	 * the application moved the mapping, with its pages, from @from to @to
	 */
	void (*remap)(void *priv, uintptr_t from, uintptr_t to, size_t len);
	/*
	 * A process was made that fork_begin() did not announce; or, in a
	 * child, such a sibling.  The client calls fork_guard(@child) for pages
	 * that are not at their address.  May be NULL.
	 */
	void (*forked)(void *priv, int child);
	/* Does the program change a part, by its own word?  May be NULL. */
	bool (*is_announced)(void *priv, uintptr_t start, uintptr_t end);
	/* Does no child have the memory at @addr?  May be NULL. */
	bool (*is_childless)(void *priv, uintptr_t addr);
	/* Where waiting threads of the backend are listed, or NULL. */
	struct sys_waits *waits;
};

/* The kind of memory at an extent of addresses. */
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
 * @announced_too: replace it even if is_announced()
 */
struct mm_place {
	uintptr_t va;
	size_t npages;
	int fd;
	uint32_t stamp;
	uint64_t offset;
	bool watched, announced_too;
};

/* The client is to stop managing [start, end).  Return: 0, -errno. */
typedef int mm_forget_fn(void *priv, uintptr_t start, uintptr_t end);

struct mm_ops {
	void (*close)(struct mm *mm);

	/*
	 * Around a fork(2): fork_begin(), which fails where no descriptor for
	 * the child can be had; then fork_end() in the parent, or
	 * fork_take() and child() in the child.  fork_take() waits for a
	 * descriptor by which the child can serve its own faults; -ENODATA:
	 * there is none, and no page may be away; -EOWNERDEAD: the parent died
	 * first.  All three are NULL, or none is.
	 */
	int (*fork_begin)(struct mm *mm);
	void (*fork_end)(struct mm *mm);
	int (*fork_take)(struct mm *mm);
	/* A touch of these pages in the process @child raises SIGBUS. */
	void (*fork_guard)(struct mm *mm, int child, uintptr_t va,
			   size_t npages);
	/*
	 * Where fork_guard() is not possible, tracked memory is not mapped at
	 * all in a process that is not announced.  The client hides tracked
	 * memory (@hide), and shows it between fork_begin() and fork_end().
	 */
	void (*fork_hide)(struct mm *mm, uintptr_t start, uintptr_t end,
			  bool hide);
	/* Stop being usable in the child of a fork(2); called there. */
	void (*child)(struct mm *mm);

	/* ---- Which addresses ---- */

	/*
	 * Wait until the events of all system calls that have returned are
	 * applied, so that the client knows the calling thread's own changes.
	 * NULL: events never lag.
	 */
	void (*sync)(struct mm *mm);
	/*
	 * Apply all pending events.  Return: true if no event is under way, so
	 * that results of ops before this call are final.  NULL: always true.
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
	 * The whole mapping that @addr lies in.  -ENOENT: @addr is not MM_ANON.
	 * NULL: the backend cannot tell.
	 */
	int (*mapping)(struct mm *mm, uintptr_t addr, struct mm_extent *ret);
	/*
	 * Have faults and events of [start, end) delivered.  The whole range is
	 * MM_ANON; parts that are not MM_ANON any more are left out.  Stale
	 * events for the range are delivered first, so the caller holds no lock
	 * that events need.  -EBUSY: the range belongs to another userfaultfd.
	 * -ENOMEM: too many mappings.
	 */
	int (*track)(struct mm *mm, uintptr_t start, uintptr_t end);
	/*
	 * End what track() began.  All pages are home and unprotected; parts
	 * may be unmapped.  Events are delivered, then @forget, if not NULL, is
	 * called; once more if an event comes up.  No track() runs between that
	 * and the end.  Return: the result of @forget, or -EBUSY: events kept
	 * coming.  If that is not 0, the range is still tracked.
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
	 * resident() of exactly the mappings that the client knows.  -EAGAIN
	 * while a mapping is changing, because its pages may be at another
	 * address already.  The caller holds the block's lock.
	 */
	int (*resident_now)(struct mm *mm, uintptr_t va, unsigned first,
			    unsigned last, struct mm_set *ret);

	/*
	 * Look up @npages pages of any memory in mappings and page table: enum
	 * mm_look for each page.
	 */
	int (*look)(struct mm *mm, uintptr_t start, size_t npages,
		    uint16_t *ret);
	/*
	 * Fault in pages of mappings that are not tracked, or make present
	 * pages of tracked mappings writable.  Called without locks.
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
	 * Take all of @want by moving their mapping, after freeze() with the
	 * same struct (see @stamp).  Called without locks, while faults on
	 * these pages wait; waits until events are applied.
	 * Until is_still() was true once, mremap(2) calls may have moved pages
	 * although their events are yet to come: a page in a frame may have
	 * come from elsewhere, the page of a hole may have gone elsewhere.
	 * freeze() cannot use this part of the slot again before drop() of the
	 * whole slot.
	 * UHMM_WHY_POISONED: a page cannot be read, and is gone from its
	 * address; the client is to poison() it.
	 * Pages that were not taken may be write-protected afterwards, or have
	 * lost their protection.
	 */
	void (*stash)(struct mm *mm, struct mm_freeze *f);
	/*
	 * Make the first write to each of @npages that are there a fault with
	 * MM_FAULT_WP.  The caller holds the block's lock.  Only where
	 * mm.can_share.  On failure some may be protected.  NULL: not
	 * supported.
	 */
	int (*protect)(struct mm *mm, uintptr_t va, size_t npages);
	/* Let the CPU write to @npages that fill_shared() put there; wakes. */
	int (*unprotect)(struct mm *mm, uintptr_t va, size_t npages);
	/*
	 * Make pages of one block movable that a fork(2) left shared, where no
	 * other process has them any more.  Called without locks; may cause a
	 * fault and wait for it.  NULL: not needed.
	 */
	void (*unshare)(struct mm *mm, uintptr_t va, const struct mm_set *set);

	/* ---- In.  All ops wake the threads that wait for the pages ---- */

	/*
	 * Copy @src (not managed memory) into holes at @va.  Stops at the first
	 * page that is present or cannot be filled.  Return: pages done; if the
	 * first page fails, -EEXIST, -EAGAIN, -ENOMEM or -ENOENT (unmapped).
	 * Never flushes the TLB.
	 */
	ssize_t (*fill)(struct mm *mm, uintptr_t va, const void *src,
			size_t npages);
	/*
	 * fill() with write-protected pages: the first write is a fault with
	 * MM_FAULT_WP, which the client answers by unprotect().  Only where
	 * mm.can_share.
	 */
	ssize_t (*fill_shared)(struct mm *mm, uintptr_t va, const void *src,
			       size_t npages);
	/*
	 * fill() from frames.  Where possible the pages of the frames are
	 * moved, which is cheaper for long runs: the frames are empty then, and
	 * *@ret_moved is true.
	 */
	ssize_t (*give)(struct mm *mm, uintptr_t va, uintptr_t frame,
			size_t npages, bool *ret_moved);
	/* fill() with zeroes; @write: the CPU is about to write. */
	ssize_t (*zero)(struct mm *mm, uintptr_t va, size_t npages, bool write);
	/* Any touch of these pages raises SIGBUS until they are unmapped. */
	int (*poison)(struct mm *mm, uintptr_t va, size_t npages);
	/* Wake the threads that wait for the pages: they touch them again. */
	void (*wake)(struct mm *mm, uintptr_t va, size_t npages);

	/* ---- Device memory that the CPU maps; see uffd/place.c ---- */

	/*
	 * A number that changes whenever a mapping of the block changes.  The
	 * caller holds the block's lock.
	 */
	uint32_t (*stamp)(struct mm *mm, uintptr_t va);
	/*
	 * Map device memory at pages that are frozen or holes.  Called without
	 * locks, waits until events are applied.  Return: pages done; -EAGAIN:
	 * mappings changed since @stamp; -EBUSY: it is_announced(); -ENOENT:
	 * the mapping is gone; -ENOMEM: also for too many mappings.
	 */
	ssize_t (*place)(struct mm *mm, struct mm_place *p);
	/*
	 * Replace device memory by empty anonymous memory: a thread that
	 * touches it waits.  Does nothing where anonymous memory is mapped
	 * already.  Locks and return value as for place().
	 */
	ssize_t (*unplace)(struct mm *mm, struct mm_place *p);
	/* Wait for place() and unplace() that asked is_announced() before. */
	void (*place_sync)(struct mm *mm);
	/*
	 * Check that the file of @fd has @npages pages from @offset on.
	 * -EBADF, -EINVAL.  NULL: no check is needed.
	 */
	int (*can_place)(struct mm *mm, int fd, uint64_t offset,
			 uint64_t npages);
	/* Is the page of @fd at @offset mapped at @va? */
	bool (*is_placed)(struct mm *mm, uintptr_t va, int fd, uint64_t offset);
	/*
	 * Let threads go on that wait for device pages mapped at @va.  -EFAULT:
	 * the file has no such page.
	 */
	int (*resume)(struct mm *mm, uintptr_t va, size_t npages);

	/* ---- Sites.  All NULL: not supported ---- */

	/*
	 * @on: from now on neither the library's own memory, nor memory of a
	 *	range that isolate() is called for, comes from @node; else such
	 *	memory may come from @node again.  -ENODEV: no other node would
	 *	be left.  One call at a time.
	 */
	int (*avoid)(struct mm *mm, int node, bool on);
	/*
	 * Make a tracked range follow the last avoid(); ranges that are tracked
	 * later follow by themselves.  Pages stay where they are.  Memory that
	 * the application itself has bound is left alone.  -errno: a part was
	 * left out.
	 */
	int (*isolate)(struct mm *mm, uintptr_t start, uintptr_t end);
	/* Fill in @on.  The block may be locked. */
	int (*site_look)(struct mm *mm, struct mm_sites *n);
	/*
	 * Move the pages that can be moved, and set @why for the others.  Pages
	 * of a huge page that moves only in part are split off first.  Called
	 * without locks.
	 */
	void (*site_move)(struct mm *mm, struct mm_sites *n);
	const struct mm_kmod_ops *kmod; /* NULL: not supported */

	/*
	 * ---- Objects: memory that several mappings, its views, share ----
	 *
	 * The client knows an object by addresses of the backend's own, which
	 * are MM_ANON to survey() and are tracked like other addresses.  An op
	 * there acts on all views.  A fault in a view is delivered as a fault
	 * at the object's own address.  Pages of an object are never left to
	 * stash(), never placed, and never at a site.  All NULL: there are
	 * none.
	 */

	/* -EOPNOTSUPP: this kernel does not support objects. */
	int (*object_create)(struct mm *mm, size_t len, uintptr_t *ret_va);
	/*
	 * Make an object of the shared anonymous memory at @addr, all of it.
	 * Its views are not known before object_enter(), which is called when
	 * the object is tracked.  No page leaves before that.  -ENOMEM: also
	 * where nothing is mapped; -EOPNOTSUPP: it is of another kind, or
	 * object_show() could not work; -EEXIST: it is an object; -EFBIG: a
	 * part is mapped nowhere, and could be; -EBUSY: locked, or another
	 * userfaultfd's; -ENOSPC.
	 */
	int (*object_adopt)(struct mm *mm, uintptr_t addr, uintptr_t *ret_va,
			    size_t *ret_len);
	int (*object_enter)(struct mm *mm, uintptr_t va);
	/*
	 * Let the next child of fork(2) have the views of an adopted object, of
	 * which no page is away or lost.  No page leaves until no child has
	 * them any more: UHMM_WHY_SHARED.
	 */
	int (*object_show)(struct mm *mm, uintptr_t va);
	/* May pages of an adopted object leave?  Called where pages move. */
	bool (*object_alone)(struct mm *mm, uintptr_t va);
	/* Has an object any view?  Events are applied as far as sync() says. */
	bool (*object_mapped)(struct mm *mm, uintptr_t va);
	/* The object is not tracked any more.  Its views stay mapped. */
	void (*object_destroy)(struct mm *mm, uintptr_t va);
	/*
	 * Map one more view, of [va, va + len).  @own: writes to the view are
	 * private to it.  -ENOSPC: there are too many views.
	 */
	int (*object_map)(struct mm *mm, uintptr_t va, size_t len, int prot,
			  bool own, uintptr_t *ret_view);
	/* Punch out pages: they are holes from now on.  Takes no lock. */
	int (*object_punch)(struct mm *mm, uintptr_t va, size_t npages);
	/*
	 * The object's own address for @addr in a view; 0: @addr is in no view.
	 * -EINVAL: only a part of [addr, addr + len) is in a view.
	 */
	int (*object_find)(struct mm *mm, uintptr_t addr, size_t len,
			   uintptr_t *ret_va);
	bool (*is_object)(struct mm *mm, uintptr_t va);

	/* ---- Slots ---- */

	/* Addresses of @nr slots that hold no memory yet; 0: there are none. */
	uintptr_t (*slots)(struct mm *mm, size_t nr);
	/*
	 * Put one huge page behind all frames of a slot that holds no memory.
	 * Return: false if the kernel has no huge page; the slot still holds no
	 * memory.  Called without locks.  NULL: never.
	 */
	bool (*enlarge)(struct mm *mm, uintptr_t slot);
	/* Give the memory behind frames back to the system. */
	void (*drop)(struct mm *mm, uintptr_t frame, size_t npages);

	/*
	 * fault() has not returned for a long time.  If all threads that serve
	 * faults are in fault(), start one more.  May block the calling thread.
	 * NULL: not needed.
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
	size_t max_mappings; /* of the process; 0: no limit matters */
	bool is_inline;	     /* faults are resolved by the faulting thread */
	bool threads_first;  /* start all before memory is managed */
	bool can_fork;	     /* fork_take() gives a descriptor */
	/* what the next remap brings may have lost its protection */
	bool was_unprotected;
};

struct mm_params {
	unsigned fault_mode; /* enum uhmm_fault_mode */
	unsigned nr_threads;
	size_t nr_slots; /* most slots that will ever be asked for */
	const char *features_off;
	const struct mm_client *client; /* must outlive the backend */
	bool inherits; /* take over @inherited, from fork_take() */
	int inherited;
};

/* Open a backend.  Events and faults may arrive before it returns. */
int mm_uffd_open(const struct mm_params *params, struct mm **ret_mm);
int mm_fake_open(const struct mm_params *params, struct mm **ret_mm);

#endif
