/* SPDX-License-Identifier: MIT */
/* home.h - pages of one block come back to RAM. */
#ifndef UHMM_MOVE_HOME_H
#define UHMM_MOVE_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/page/block.h"
#include "mm/mm.h"

struct mm_set;
struct slot;
struct uhmm;
struct uhmm_device;

/* How a page comes home, and its device page is freed or kept. */
enum home_copy {
	HOME_FREE,
	HOME_SHARE, /* kept by the page, which is write-protected: clean.c */
	HOME_TWIN,  /* kept by the page as its twin: unchanged.c */
};

/*
 * home.c: bring pages of one block to RAM.  Retries until all of @want is in
 * RAM at the same time.  The caller holds the mover lock, or has closed the
 * gate: otherwise this may not end.  -EBUSY: device memory is mapped where the
 * program has announced a change (uhmm_notify_begin()), and stays.
 */
enum home_how {
	HOME_MIGRATE, /* pages that cannot be read stay on the device */
	HOME_RESCUE,  /* pages that cannot be read are lost: poison */
	HOME_FORK,    /* likewise; pages that a child shares stay */
};
int home_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *only, enum home_how how, uint8_t *why);
/*
 * Bring all managed pages home, or the pages on @only.  -EIO: some were lost.
 */
int home_all(struct uhmm *u, struct uhmm_device *only, enum home_how how);
/*
 * Map frozen pages [i, last) again.  Caller holds b->lock.  Return: pages,
 * -errno.
 */
int home_thaw(struct uhmm *u, struct block *b, unsigned i, unsigned last);
/* Likewise for the pages of @set in @state.  Return: the pages mapped. */
struct mm_set home_thaw_set(struct uhmm *u, struct block *b,
			    const struct mm_set *set, enum page_state state);
int home_run_unlock(struct uhmm *u, struct block *b, unsigned i, unsigned n,
		    enum home_copy copy) LETS_GO(b->lock);

/* home_fault.c */
int home_init(struct uhmm *u);
void home_destroy(struct uhmm *u);
/*
 * Serve a fault on P_DEVICE page @i; brings up to @n pages home, from @i on.
 * Called with b->lock held, returns with it released.
 */
enum mm_outcome home_fault_unlock(struct uhmm *u, struct block *b, unsigned i,
				  unsigned n, bool write) LETS_GO(b->lock);
/*
 * Bring page @i home without a slot; if it cannot be read it is lost (-EIO).
 * Called with b->lock held, returns with it released.
 */
int home_lone_unlock(struct uhmm *u, struct block *b, unsigned i)
	LETS_GO(b->lock);

/*
 * @n pages of @b from @first on, with consecutive device pages from @dpfn on.
 */
struct run {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *dev;
	unsigned first, n;
	uint64_t dpfn;
	enum home_copy copy;
};

/*
 * home_map.c.  Caller holds b->lock; home_map_direct_unlock() releases it
 * unless it returns 0
 */
#define HOME_GIVE_PAGES 64 /* from here on moving frames beats copying them */
#define HOME_ATTEMPTS	3  /* to read a page before it is given up */
ssize_t home_map(struct uhmm *u, struct block *b, unsigned i, unsigned last,
		 const char *ram, struct slot *frames, bool share);
void home_mapped(struct uhmm *u, struct block *b, unsigned i, bool share);
ssize_t home_map_direct_unlock(struct uhmm *u, struct block *b, unsigned i,
			       unsigned n, enum home_copy copy)
	LETS_GO(b->lock);

#endif
