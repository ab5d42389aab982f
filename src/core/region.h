/* SPDX-License-Identifier: MIT */
/* region.h - which addresses are managed: region.c */
#ifndef UHMM_CORE_REGION_H
#define UHMM_CORE_REGION_H

#include <stdbool.h>
#include <stdint.h>

struct mm_set;
struct uhmm;

int region_add(struct uhmm *u, uintptr_t start, uintptr_t end);
int region_del(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * The same for a part of one block, if there is no such block.  A mover that
 * makes the block afterwards finds nothing managed there.  -EEXIST: the block
 * is there.
 */
int region_del_unborn(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * The first managed run in [start, end), clipped: false if there is none.
 * Lock-free.
 */
bool region_next(struct uhmm *u, uintptr_t start, uintptr_t end,
		 uintptr_t *ret_start, uintptr_t *ret_end);
/* The managed pages of [start, end), which lies in one block. */
void region_set(struct uhmm *u, uintptr_t start, uintptr_t end,
		struct mm_set *ret);
bool region_covers(struct uhmm *u, uintptr_t start, uintptr_t end);
/*
 * The calling thread reads without a lock from now on: a thread that serves
 * faults cannot begin to while region_fork() is under way.
 */
void region_reader(void);
/* Before a fork; in the parent; in the child, where no other reader lives. */
void region_fork(void);
void region_forked(bool child);
void region_reap(struct uhmm *u); /* may block; not on a handler thread */
void region_destroy(struct uhmm *u);

#endif
