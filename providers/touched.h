/* SPDX-License-Identifier: MIT */
/*
 * touched.h - how much of a device's memory was ever written, for usage().
 *
 * The core hands out the lowest free pages first, so the highest page ever
 * written is a good bound.  The provider notes each run that it writes.
 */
#ifndef PROVIDERS_TOUCHED_H
#define PROVIDERS_TOUCHED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A page number: no page from this one on has memory. */
typedef _Atomic uint64_t touched_pages;

static inline void touched_add(touched_pages *t, uint64_t dpfn, size_t npages)
{
	uint64_t old = atomic_load_explicit(t, memory_order_relaxed);
	uint64_t end = dpfn + npages;

	while (old < end && !atomic_compare_exchange_weak(t, &old, end))
		;
}

/*
 * Bytes of memory.  @each: bytes of a page; @unit: the kernel's allocation
 * unit.
 */
static inline uint64_t touched_bytes(const touched_pages *t, uint64_t each,
				     uint64_t unit)
{
	uint64_t bytes = atomic_load_explicit(t, memory_order_relaxed) * each;

	return (bytes + unit - 1) / unit * unit;
}

#endif
