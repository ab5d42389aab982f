/* SPDX-License-Identifier: MIT */
/* listing.h - what is where, by range: listing.c */
#ifndef UHMM_REPORT_LISTING_H
#define UHMM_REPORT_LISTING_H

#include "core/context/context.h"

/* Pages.  @on: in RAM at their addresses (number 0), and on each device */
struct listing {
	uint64_t on[MAX_DEVICES];
	uint64_t frozen, poisoned, empty;
};

int listing_count(struct uhmm *u, uintptr_t start, uintptr_t end,
		  struct listing *ret);
/* The next range that is managed or fixed device memory, from @from on. */
bool listing_next(struct uhmm *u, uintptr_t from, uintptr_t *ret_start,
		  uintptr_t *ret_end);
/* Pages on all devices. */
uint64_t listing_away(const struct listing *l);

/* Bodies of the public calls; do_snapshot() is in snapshot.c. */
int do_snapshot(struct uhmm *u, uintptr_t addr, size_t len, uhmm_pfn_t *ret);
ssize_t do_ranges(struct uhmm *u, uintptr_t from, struct uhmm_range *ret,
		  size_t max);
ssize_t do_range_pages(struct uhmm *u, uintptr_t addr, size_t len,
		       unsigned tier);

#endif
