/* SPDX-License-Identifier: MIT */
/*
 * hist.h - a log-linear histogram: 16 steps an octave, so a percentile is
 * right within 6 %.  Recording is one relaxed add; no locks.
 */
#ifndef UHMM_CONTEXT_HIST_H
#define UHMM_CONTEXT_HIST_H

#include <stdatomic.h>
#include <stdint.h>

#define HIST_SUB     16
#define HIST_BUCKETS (HIST_SUB * 44)

struct hist {
	_Atomic uint64_t bucket[HIST_BUCKETS];
	_Atomic uint64_t max;
};

static inline unsigned hist_bucket(uint64_t v)
{
	unsigned top, i;

	if (v < HIST_SUB)
		return (unsigned)v;
	top = 63u - (unsigned)__builtin_clzll(v);
	i = (top - 3) * HIST_SUB + (unsigned)(v >> (top - 4)) % HIST_SUB;
	return i < HIST_BUCKETS ? i : HIST_BUCKETS - 1;
}

/* The middle of a bucket. */
static inline uint64_t hist_value(unsigned i)
{
	unsigned top = i / HIST_SUB + 3;

	if (i < HIST_SUB)
		return i;
	return (UINT64_C(1) << top) + ((uint64_t)(i % HIST_SUB) << (top - 4)) +
	       (UINT64_C(1) << (top - 4)) / 2;
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	atomic_fetch_add_explicit(&h->bucket[hist_bucket(v)], 1,
				  memory_order_relaxed);
	while (v > max && !atomic_compare_exchange_weak_explicit(
				  &h->max, &max, v, memory_order_relaxed,
				  memory_order_relaxed))
		;
}

/* The value that @permille of all are at most; 0 when there are none. */
uint64_t hist_quantile(const struct hist *h, unsigned permille);

#endif
