/* SPDX-License-Identifier: MIT */
/* thrash.h - pages that are demoted and come home, again and again: thrash.c */
#ifndef UHMM_LIMIT_THRASH_H
#define UHMM_LIMIT_THRASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct block;
struct uhmm;

/*
 * @refaults: pages that came home too soon
 * @active: most of the pages that are demoted come home too soon
 * @nr_held: blocks that are held, about
 * @addr, @len: where most of this happened, when it was told
 * The rest is the demoter's.  @refaulted, @evicted, @began: the counts and the
 * time, ns, when the window began; @since, @blocked: likewise when it all began
 */
struct thrash {
	_Atomic uint64_t refaults;
	_Atomic bool active;
	_Atomic uint32_t nr_held;
	_Atomic uint64_t addr, len;
	uint64_t refaulted, evicted, began;
	uint64_t since, blocked;
	unsigned in_row;
	bool told;
};

/* Pages of @b were demoted.  Only for the demoter. */
void thrash_evicted(struct uhmm *u, struct block *b);
/* A touch brings @n pages of @b home.  Caller holds b->lock. */
void thrash_refault(struct uhmm *u, struct block *b, unsigned n);
/* Should the hand pass over @b? */
bool thrash_holds(const struct uhmm *u, const struct block *b);
/* Only for the demoter: is the window over, and what does it tell? */
void thrash_look(struct uhmm *u);

#endif
