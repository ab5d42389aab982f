/* SPDX-License-Identifier: MIT */
/* sites.h - where the kernel keeps pages, and between which it moves them. */
#ifndef UHMM_SITES_H
#define UHMM_SITES_H

#include <stdint.h>

#include "mm/set.h"

/*
 * A *site* is a place where the kernel keeps pages, and between which it moves
 * them: a NUMA node, by its number, or a device of the kernel module, by what
 * attach() made of it.  Pages keep their address, and can be used all the
 * while.  A look at pages of one block, or a move of them:
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

/*
 * Devices of the kernel module.  The kernel brings pages home by itself as
 * well: when the CPU touches a page, or another process does.
 */
#define MM_KMOD_SITES 1024 /* the first site that is no node */
#define MM_MAX_KMODS  256

struct mm;
struct mm_kmod_ops {
	/*
	 * The device of @fd, an open file of /dev/uhmm, is site *@ret_site from
	 * now on, and @fd stays open until detach().  -ENODEV: @fd is no such
	 * file; -ENOSPC.  One call of the two at a time.
	 */
	int (*attach)(struct mm *mm, int fd, int *ret_site);
	void (*detach)(struct mm *mm, int site);
	/*
	 * How many pages have come home from the device so far, by whatever
	 * means.
	 */
	int (*came)(struct mm *mm, int site, uint64_t *ret);
	/*
	 * The data there are gone: a touch raises SIGBUS.  -EOPNOTSUPP: the CPU
	 * uses them in place.
	 */
	int (*lose)(struct mm *mm, int site);
};

#endif
