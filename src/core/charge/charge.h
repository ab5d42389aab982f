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
 * @pages: with those of the groups below; on a device also pages on their way
 *	that have a device page there.  Not of the root, see charge_pages()
 * @limit: pages; 0: none.  With charge=keep that of RAM is for all pages
 * @exceeded: times it was passed, or something refused for it
 */
struct charge_tier {
	_Atomic int64_t pages;
	_Atomic uint64_t limit, exceeded;
};

/*
 * @parent: NULL: the root
 * @away: pages on all devices
 * @idle: the demoter found nothing to do for it
 * @nr_children, @next: under struct charge's lock; @next is of those to reuse
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
 * @lock: the tree, and which group a block is of
 * @on: pages in RAM are counted; for good once it is set
 * @keep: charge=keep
 * @end: no number from here on was ever used
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

/* The group of @b; stale unless the block is locked, but never gone. */
struct uhmm_group *charge_of(struct uhmm *u, const struct block *b);
/* Is @g that of @b, or above it? */
bool charge_covers(const struct uhmm_group *g, const struct block *b);
/* The @n-th group, NULL where there is none; up to charge.end. */
struct uhmm_group *charge_nth(struct uhmm *u, uint32_t n);

/* ---- What a block tells ---- */

/* As uhmm.pay: the hook by which blocks reach their groups. */
void charge_flush(struct uhmm *u, struct block *b, int ram, int away);
/* charge=keep: @g grew by @pages: is it over its limit now? */
void charge_note(struct uhmm_group *g, int pages);

/* ---- Limits ---- */

uint64_t charge_pages(const struct uhmm_group *g, unsigned tier);
uint64_t charge_all(const struct uhmm_group *g);
/* RAM that is no page of the program's, in pages: held.c */
uint64_t charge_held(const struct uhmm *u);
/* With those pages. */
uint64_t charge_total(const struct uhmm *u);
/* What was asked for: with a budget the total, which others share. */
uint64_t charge_asked(const struct uhmm_group *g);
/* Pages that @g may have in RAM now; 0: as many as there are. */
uint64_t charge_limit(const struct uhmm_group *g);
/* Has @g more in RAM than its limit, less so many margins? */
bool charge_above(const struct uhmm_group *g, unsigned margins);
/* Empty frames are RAM, too: they have a share of what pages may have now. */
void charge_share_pool(struct uhmm *u);
/* Is it passed by what is held, whatever is demoted? */
bool charge_is_passed(const struct uhmm_group *g);
/* Is another copy of a page on @dev cheap enough? */
bool charge_affords_copy(const struct uhmm_device *dev);
/* Has a group of @b a limit for @tier? */
bool charge_is_limited(struct uhmm *u, const struct block *b, unsigned tier);
/* charge=keep: pages that may still be added; UINT64_MAX: any number */
uint64_t charge_room(struct uhmm *u, const struct block *b);

/* May a page of @b go to @dev, for all that its groups say? */
bool charge_has_room(struct uhmm *u, const struct block *b,
		     const struct uhmm_device *dev);
/*
 * Device pages for pages of @b, at most @n and what limits leave.  They are
 * booked on the group until charge_booked() says that they are counted, or
 * were given back.
 */
struct booking {
	struct uhmm_group *group;
	unsigned pages;
};
unsigned charge_alloc(struct uhmm *u, const struct block *b,
		      struct uhmm_device *dev, unsigned n, uint64_t *ret,
		      struct booking *book);
void charge_booked(const struct uhmm_device *dev, struct booking *book);
/* A device that is added later may get its number. */
void charge_device_gone(struct uhmm *u, unsigned id);

/* ---- Which group a block is of (group.c); no block locked ---- */

/* The block's kept frames are RAM: with a limit on that they go.  Locked. */
void charge_limit_kept(struct uhmm *u, struct block *b);
/* Nothing of [start, end) is managed any more. */
void charge_forget(struct uhmm *u, uintptr_t start, uintptr_t end);
/* The block of @to was not managed: it is of the same group as that of @from */
void charge_follow(struct uhmm *u, uintptr_t from, uintptr_t to);

/* The tree of groups (group.c) */
int group_add(struct uhmm_group *parent, const char *name,
	      struct uhmm_group **ret);
/* -EBUSY: it has groups below, or pages.  Its blocks become its parent's. */
int group_remove(struct uhmm_group *g);
/* The blocks of [start, end), which are there, are @g's from now on. */
void group_take(struct uhmm_group *g, uintptr_t start, uintptr_t end);

#endif
