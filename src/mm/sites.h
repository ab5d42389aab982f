/* SPDX-License-Identifier: MIT */
/* sites.h - where the kernel keeps pages, and between which it moves them. */
#ifndef UHMM_SITES_H
#define UHMM_SITES_H

#include <stdint.h>

#include "mm/set.h"

/*
 * A *site* is a place where the kernel keeps pages, and between which it moves
 * them: a NUMA node, by its number.  Pages keep their address, and can be used
 * all the while.  A look at pages of one block, or a move of them:
 * @va: its first byte
 * @set: which pages
 * @to: the site to move them to, or MM_SITE_HOME
 * @on: the site at which each was when one looked, or below 0: no page is
 *	there, or that of zeroes
 * @why: enum uhmm_why for each that was not moved
 */
#define MM_SITE_HOME (-1) /* one that memory may come from; see avoid() */
#define MM_SITE_NONE (-1)
struct mm_sites {
	uintptr_t va;
	struct mm_set set;
	int to;
	int16_t on[MM_BLOCK_PAGES];
	uint8_t why[MM_BLOCK_PAGES];
};

#endif
