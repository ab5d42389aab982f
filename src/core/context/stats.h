/* SPDX-License-Identifier: MIT */
/* stats.h - counters of a context; none of them orders anything. */
#ifndef UHMM_CONTEXT_STATS_H
#define UHMM_CONTEXT_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct uhmm;

struct counters {
	_Atomic uint64_t faults, soft_faults, zero_faults, spurious, to_device,
		to_ram, refused, touched, discarded, evicted, poisoned, errors,
		limit_waits, limit_exceeded, blocked_ns, unwritten;
};

/* stats.c */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
/*
 * Count @ram pages more in RAM, @all pages more in RAM and on devices.  Without
 * a block's lock.
 */
void count_ram(struct uhmm *u, int ram, int all);
/* Wake the demoter: it may have pages to demote, or waiting faults to wake. */
void policy_kick(struct uhmm *u);
/*
 * Check a caller's struct: the bytes behind @ksize must be zero, else -E2BIG.
 */
int check_struct(const void *p, size_t ksize, size_t usize);
/*
 * check_struct() for an array of @nr entries that the library fills in.  The
 * first entry says how long each entry is, and is checked; the others are
 * zeroed later.
 */
int check_entries(const void *list, size_t ksize, size_t nr);
/* Entry @i becomes @entry, of @ksize bytes that begin with their size. */
void put_entry(void *list, size_t i, const void *entry, size_t ksize);
int copy_struct(void *dst, size_t ksize, const void *src, size_t usize);

#endif
