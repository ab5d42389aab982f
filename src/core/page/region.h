/* SPDX-License-Identifier: MIT */
/*
 * region.h - which addresses are managed: runs of pages in a skip list.
 *
 * Writers hold the tree's lock.  Readers hold nothing: they read under RCU.
 */
#ifndef UHMM_PAGE_REGION_H
#define UHMM_PAGE_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/page/slab.h"
#include "mm/set.h"
#include "sys/lock.h"

struct block;
struct uhmm;

#define MAX_HEIGHT 12

/* A run of managed addresses: a node of a skip list, read without a lock. */
struct region {
	uintptr_t start;
	_Atomic uintptr_t end;
	struct region *garbage; /* list of nodes to be freed */
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
	_Atomic uint64_t dels; /* calls of region_del() and its kind */
};

/* -EINVAL: not addresses of a program, not whole pages, or no page at all. */
int range_check(struct uhmm *u, const void *addr, size_t len);
int region_add(struct uhmm *u, uintptr_t start, uintptr_t end);
int region_del(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * Like region_del() for a part of one block, if that block does not exist.  A
 * mover that creates the block afterwards finds nothing managed there.
 * -EEXIST: the block exists.
 */
int region_del_unborn(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * How many times addresses ceased to be managed.  A thread has just taken in a
 * range, and finds nothing managed there.  If this number is the same as
 * before, the range was refused; otherwise another thread may have given it up
 * meanwhile.
 */
uint64_t region_dels(struct uhmm *u);
/*
 * The first managed run in [start, end), clipped.  Return: false if there is
 * none.  Lock-free.
 */
bool region_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uintptr_t *ret_start, uintptr_t *ret_end);
/* Each managed run [s, e) in [from, to). */
#define region_for_each(u, from, to, s, e) \
	for (uintptr_t e = (from), s;      \
	     e < (to) && region_next((u), e, (to), &s, &e);)
/* The managed pages of [start, end), which lies in one block. */
void region_set(struct uhmm *u, uintptr_t start, uintptr_t end,
		struct mm_set *ret);
/* The managed pages of @b. */
void block_managed(struct uhmm *u, const struct block *b, struct mm_set *ret);
bool region_covers(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * Register the calling thread as an RCU reader.  A thread that serves faults
 * calls this when it starts, because a first read would wait while
 * region_fork() is under way.
 */
void region_reader(void);
/* Before a fork; in the parent; in the child, where no other reader lives. */
void region_fork(void);
void region_forked(bool child);
void region_reap(struct uhmm *u); /* may block; not on a handler thread */
void region_destroy(struct uhmm *u);

#endif
