/* SPDX-License-Identifier: MIT */
/* set.h - sets of pages of one block: 512 bits, by value. */
#ifndef UHMM_SET_H
#define UHMM_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sys/cpu.h"

#define MM_PAGE_SHIFT  SYS_PAGE_SHIFT
#define MM_PAGE_SIZE   ((uintptr_t)1 << MM_PAGE_SHIFT)
#define MM_BLOCK_SHIFT 21
#define MM_BLOCK_SIZE  ((uintptr_t)1 << MM_BLOCK_SHIFT)
#define MM_BLOCK_PAGES 512u
#define MM_SET_WORDS   (MM_BLOCK_PAGES / 64)

struct mm_set {
	uint64_t w[MM_SET_WORDS];
};

static inline void set_clear(struct mm_set *s)
{
	memset(s, 0, sizeof(*s));
}

static inline void set_fill(struct mm_set *s)
{
	memset(s, 0xff, sizeof(*s));
}

static inline bool set_has(const struct mm_set *s, unsigned i)
{
	return s->w[i / 64] >> (i % 64) & 1;
}

static inline void set_add(struct mm_set *s, unsigned i)
{
	s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void set_del(struct mm_set *s, unsigned i)
{
	s->w[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* Pages [first, last) */
static inline void set_add_run(struct mm_set *s, unsigned first, unsigned last)
{
	for (; first < last && first % 64; first++)
		set_add(s, first);
	for (; last - first >= 64 && first < last; first += 64)
		s->w[first / 64] = ~UINT64_C(0);
	for (; first < last; first++)
		set_add(s, first);
}

static inline void set_del_run(struct mm_set *s, unsigned first, unsigned last)
{
	for (; first < last; first++)
		set_del(s, first);
}

static inline unsigned set_count(const struct mm_set *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		n += (unsigned)__builtin_popcountll(s->w[i]);
	return n;
}

static inline bool set_empty(const struct mm_set *s)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		any |= s->w[i];
	return !any;
}

static inline bool set_full(const struct mm_set *s)
{
	uint64_t all = ~UINT64_C(0);

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		all &= s->w[i];
	return all == ~UINT64_C(0);
}

/* The first page >= @from that is (@in) or is not in the set, or 512. */
static inline unsigned set_find(const struct mm_set *s, unsigned from, bool in)
{
	while (from < MM_BLOCK_PAGES) {
		uint64_t w = in ? s->w[from / 64] : ~s->w[from / 64];

		w >>= from % 64;
		if (w)
			return from + (unsigned)__builtin_ctzll(w);
		from = (from / 64 + 1) * 64;
	}
	return MM_BLOCK_PAGES;
}

/*
 * Walk the runs of a set: pages [first, last) are in it, as long as possible.
 * Start with *@last = 0.
 */
static inline bool set_next_run(const struct mm_set *s, unsigned *first,
				unsigned *last)
{
	*first = set_find(s, *last, true);
	if (*first == MM_BLOCK_PAGES)
		return false;
	*last = set_find(s, *first, false);
	return true;
}

#define set_for_each_run(s, first, last) \
	for (unsigned first, last = 0; set_next_run(s, &first, &last);)

#define set_for_each(s, i)                                          \
	for (unsigned i = set_find(s, 0, true); i < MM_BLOCK_PAGES; \
	     i = set_find(s, i + 1, true))

static inline struct mm_set set_and(const struct mm_set *a,
				    const struct mm_set *b)
{
	struct mm_set r;

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		r.w[i] = a->w[i] & b->w[i];
	return r;
}

static inline struct mm_set set_or(const struct mm_set *a,
				   const struct mm_set *b)
{
	struct mm_set r;

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		r.w[i] = a->w[i] | b->w[i];
	return r;
}

/* In @a but not in @b */
static inline struct mm_set set_minus(const struct mm_set *a,
				      const struct mm_set *b)
{
	struct mm_set r;

	for (unsigned i = 0; i < MM_SET_WORDS; i++)
		r.w[i] = a->w[i] & ~b->w[i];
	return r;
}

/* Pages [first, last) of @s. */
static inline struct mm_set set_part(const struct mm_set *s, unsigned first,
				     unsigned last)
{
	struct mm_set range;

	set_clear(&range);
	set_add_run(&range, first, last);
	return set_and(s, &range);
}

#endif
