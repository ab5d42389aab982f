/* SPDX-License-Identifier: MIT */
/*
 * charge.h - charge groups: which group pays for a page.
 *
 * A block belongs to one group with all its pages, so no page says its group.
 * A block counts its changes under its lock, and hands the sums over when it is
 * unlocked.  They are added to the block's group and all groups above, but not
 * to the root, which has the context's own counters.
 *
 * A group's number is never used again while pages on their way are booked on
 * it.  Its struct stays until the context is closed: a thread that looked the
 * group up without a lock may still read it.
 */
#ifndef UHMM_LIMIT_CHARGE_H
#define UHMM_LIMIT_CHARGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/charge.h>

#include "sys/lock.h"

struct block;
struct uhmm_device;

#define MAX_GROUPS 4096 /* number 0 is the root */
#define NR_TIERS   256	/* number 0 is RAM, the others are devices */

/*
 * @pages: sum for the group and the groups below; for a device, pages on their
 *	way that already have a device page count.  Not used in the root, see
 *	charge_pages()
 * @limit: pages; 0: none.  With charge=keep the limit on RAM is for pages on
 * devices too
 * @exceeded: how many times the limit was passed, or something was refused
 * because of it
 */
struct charge_tier {
	_Atomic int64_t pages;
	_Atomic uint64_t limit, exceeded;
};

/*
 * @parent: NULL: the root
 * @away: pages on all devices
 * @idle: the demoter found nothing to demote in this group
 * @nr_children, @next: under charge.lock; @next links groups that may be reused
 */
struct uhmm_group {
	struct uhmm *u;
	struct uhmm_group *parent;
	unsigned id;
	_Atomic int64_t away;
	_Atomic uint32_t idle;
	unsigned nr_children;
	struct uhmm_group *next;
	char name[UHMM_GROUP_NAME];
	struct charge_tier tier[NR_TIERS];
};

static inline bool group_is_root(const struct uhmm_group *g)
{
	return g->id == 0;
}

/*
 * @lock: protects the tree, and which group a block belongs to
 * @on: pages in RAM are counted; never cleared
 * @keep: charge=keep
 * @end: no group number from here on was ever used
 */
struct charge {
	struct sys_mutex lock;
	_Atomic bool on;
	bool keep;
	struct uhmm_group root;
	_Atomic(struct uhmm_group *) group[MAX_GROUPS];
	_Atomic uint32_t end;
	struct uhmm_group *free;
};

void charge_init(struct uhmm *u, bool keep);
void charge_destroy(struct uhmm *u);

/*
 * The group of @b.  May be stale unless the caller holds b->lock; its struct
 * never goes away.
 */
struct uhmm_group *charge_of(struct uhmm *u, const struct block *b);
/* Is @g the group of @b, or above that group? */
bool charge_covers(const struct uhmm_group *g, const struct block *b);
/* The group with number @n, below charge.end, or NULL. */
struct uhmm_group *charge_nth(struct uhmm *u, uint32_t n);

/* ---- Changes that a block reports ---- */

/* The hook uhmm.pay, by which a block hands its changes to its group. */
void charge_flush(struct uhmm *u, struct block *b, int ram, int away);
/* charge=keep: @g grew by @pages; count it if @g is now over its limit. */
void charge_note(struct uhmm_group *g, int pages);

/* ---- Limits ---- */

uint64_t charge_pages(const struct uhmm_group *g, unsigned tier);
uint64_t charge_all(const struct uhmm_group *g);
/* RAM that devices and tables take, in pages: held.c */
uint64_t charge_held(const struct uhmm *u);
/* Pages in RAM, and charge_held(). */
uint64_t charge_total(const struct uhmm *u);
/*
 * The limit that the user set: with a budget its total, which several processes
 * share.
 */
uint64_t charge_asked(const struct uhmm_group *g);
/* Pages that @g may have in RAM now; 0: no limit. */
uint64_t charge_limit(const struct uhmm_group *g);
/* Has @g more pages in RAM than its limit, less @margins margins? */
bool charge_above(const struct uhmm_group *g, unsigned margins);
/* Empty frames are RAM, too: set the pool's share of charge_limit(). */
void charge_share_pool(struct uhmm *u);
/* Does charge_held() alone pass the limit, so that demoting cannot help? */
bool charge_is_passed(const struct uhmm_group *g);
/* Is another copy of a page on @dev cheap enough? */
bool charge_affords_copy(const struct uhmm_device *dev);
/* Has the group of @b, or one above, a limit for @tier? */
bool charge_is_limited(struct uhmm *u, const struct block *b, unsigned tier);
/* charge=keep: pages that may still be added to @b; UINT64_MAX: any number */
uint64_t charge_room(struct uhmm *u, const struct block *b);

/*
 * May @dev take more RAM to store pages, when another device has room for them?
 * False if the limit of the root is for all RAM, and @dev has its share of it.
 */
bool charge_affords_store(const struct uhmm_device *dev);
/*
 * The group of @b, or one above, with a limit that allows no other page on
 * @dev; or NULL.
 */
struct uhmm_group *charge_full(struct uhmm *u, const struct block *b,
			       const struct uhmm_device *dev);
/* Do the limits of the groups of @b allow another page on @dev? */
bool charge_has_room(struct uhmm *u, const struct block *b,
		     const struct uhmm_device *dev);
/*
 * Hand out device pages for pages of @b: at most @n, and as many as limits
 * allow.  They are booked on the group until the caller has counted them or
 * given them back, and calls charge_booked().
 */
struct booking {
	struct uhmm_group *group;
	unsigned pages;
};
unsigned charge_alloc(struct uhmm *u, const struct block *b,
		      struct uhmm_device *dev, unsigned n, uint64_t *ret,
		      struct booking *book);
void charge_booked(const struct uhmm_device *dev, struct booking *book);
/*
 * Device @id is removed: clear its counts, because a device that is added later
 * may get the number.
 */
void charge_device_gone(struct uhmm *u, unsigned id);

/* ---- Which group a block belongs to (group.c); without a block's lock ---- */

/*
 * If RAM is limited, the block keeps no frames, since they are RAM.  Caller
 * holds b->lock.
 */
void charge_limit_kept(struct uhmm *u, struct block *b);
/*
 * [start, end) ceased to be managed: its blocks without any managed page go to
 * the root.
 */
void charge_forget(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * The block of @to was not managed: put it into the group of the block of
 * @from.
 */
void charge_follow(struct uhmm *u, uintptr_t from, uintptr_t to);

/* The tree of groups (group.c) */
int group_add(struct uhmm_group *parent, const char *name,
	      struct uhmm_group **ret);
/*
 * Destroy @g; its blocks go to its parent.  -EBUSY: @g has groups below, or
 * pages.
 */
int group_remove(struct uhmm_group *g);
/* Put the blocks of [start, end) into @g.  The blocks exist. */
void group_take(struct uhmm_group *g, uintptr_t start, uintptr_t end);

#endif
