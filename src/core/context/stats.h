/* SPDX-License-Identifier: MIT */
/* stats.h - counters of a context; none of them orders anything. */
#ifndef UHMM_CONTEXT_STATS_H
#define UHMM_CONTEXT_STATS_H

#include <stdatomic.h>
#include <stdint.h>

struct uhmm;

struct counters {
	_Atomic uint64_t faults, soft_faults, zero_faults, spurious, to_device,
		to_ram, refused, touched, discarded, evicted, poisoned, errors,
		limit_waits, limit_exceeded, blocked_ns, unwritten, sunk,
		unchanged;
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

#endif
