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
/* Map frozen pages [i, last) again.  @b locked.  Return: pages, -errno. */
int home_thaw(struct uhmm *u, struct block *b, unsigned i, unsigned last);
int home_run_unlock(struct uhmm *u, struct block *b, unsigned i, unsigned n,
		    bool share) LETS_GO(b->lock);

/* home_fault.c */
int home_init(struct uhmm *u);
void home_destroy(struct uhmm *u);
/*
 * For a fault on a P_DEVICE page, which brings @n pages from it on if it can.
 * @b locked, unlocked on return.
 */
enum mm_outcome home_fault_unlock(struct uhmm *u, struct block *b, unsigned i,
				  unsigned n, bool write) LETS_GO(b->lock);
/*
 * Page @i without a slot; what cannot be read is lost (-EIO).  @b locked,
 * unlocked on return.
 */
int home_lone_unlock(struct uhmm *u, struct block *b, unsigned i)
	LETS_GO(b->lock);

/*
 * Pages of one device that follow each other there, too: @n of @b from @first
 * on, at @dpfn and the next.  @share: they keep their device pages.
 */
struct run {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *dev;
	unsigned first, n;
	uint64_t dpfn;
	bool share;
};

/* home_map.c: one block, locked; the last one unlocks unless it returns 0 */
#define HOME_GIVE_PAGES 64 /* from here on moving frames beats copying them */
#define HOME_ATTEMPTS	3  /* to read a page before it is given up */
ssize_t home_map(struct uhmm *u, struct block *b, unsigned i, unsigned last,
		 const char *ram, struct slot *frames, bool share);
void home_mapped(struct uhmm *u, struct block *b, unsigned i, bool share);
ssize_t home_map_direct_unlock(struct uhmm *u, struct block *b, unsigned i,
			       unsigned n, bool share) LETS_GO(b->lock);

#endif
