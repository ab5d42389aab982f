/* SPDX-License-Identifier: MIT */
/*
 * ranges.c - the table of tracked ranges.
 *
 * Inline mode and order.c use the table.  In inline mode the program handles a
 * SIGBUS at an address that is not in the table.  The signal handler reads the
 * table under a seqlock.
 */
#include <errno.h>

#include "mm/uffd/uffd.h"

int uffd_ranges_open(struct uffd *b)
{
	struct uffd_ranges *t = &b->ranges;

	t->v = sys_alloc(UFFD_MAX_RANGES * sizeof(*t->v));
	return t->v ? 0 : -ENOMEM;
}

void uffd_ranges_close(struct uffd *b)
{
	sys_free(b->ranges.v, UFFD_MAX_RANGES * sizeof(*b->ranges.v));
	b->ranges.v = NULL;
}

/* A reader may see a range half written; @seq says so. */
static struct uffd_range range_at(const struct uffd_ranges *t, size_t k)
{
	return (struct uffd_range){
		atomic_load_explicit(&t->v[k].start, memory_order_relaxed),
		atomic_load_explicit(&t->v[k].end, memory_order_relaxed)
	};
}

static void put_range(struct uffd_ranges *t, size_t k, struct uffd_range r)
{
	atomic_store_explicit(&t->v[k].start, r.start, memory_order_relaxed);
	atomic_store_explicit(&t->v[k].end, r.end, memory_order_relaxed);
}

/* The first range that ends after @addr. */
static size_t find_tracked(const struct uffd_ranges *t, size_t nr,
			   uintptr_t addr)
{
	size_t low = 0;

	while (low < nr) {
		size_t mid = low + (nr - low) / 2;

		if (range_at(t, mid).end <= addr)
			low = mid + 1;
		else
			nr = mid;
	}
	return low;
}

/* Ranges [from, nr) move to @to. */
static void move_tail(struct uffd_ranges *t, size_t from, size_t nr, size_t to)
{
	if (to < from)
		for (size_t k = from; k < nr; k++)
			put_range(t, k - from + to, range_at(t, k));
	if (to > from)
		for (size_t k = nr; k > from; k--)
			put_range(t, k - 1 - from + to, range_at(t, k - 1));
}

/* Replace @n ranges from @at by @m. */
static void splice(struct uffd_ranges *t, size_t at, size_t n,
		   const struct uffd_range *with, size_t m)
{
	size_t nr = atomic_load(&t->nr);

	if (nr - n + m > UFFD_MAX_RANGES) {
		atomic_store(&t->overflow, true);
		return;
	}
	atomic_fetch_add(&t->seq, 1);
	atomic_thread_fence(memory_order_release);
	move_tail(t, at + n, nr, at + m);
	for (size_t k = 0; k < m; k++)
		put_range(t, at + k, with[k]);
	atomic_store(&t->nr, nr - n + m);
	atomic_fetch_add(&t->seq, 1);
}

void uffd_ranges_add(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_ranges *t = &b->ranges;
	struct uffd_range all = { start, end };
	size_t at, to;

	if (!t->v)
		return;
	sys_mutex_lock(&t->lock);
	at = find_tracked(t, t->nr, start ? start - 1 : 0);
	for (to = at; to < t->nr && range_at(t, to).start <= end; to++) {
		struct uffd_range r = range_at(t, to);

		all.start = r.start < all.start ? r.start : all.start;
		all.end = r.end > all.end ? r.end : all.end;
	}
	splice(t, at, to - at, &all, 1);
	sys_mutex_unlock(&t->lock);
}

void uffd_ranges_del(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_ranges *t = &b->ranges;
	struct uffd_range rest[2];
	size_t at, to, nr = 0;

	if (!t->v)
		return;
	sys_mutex_lock(&t->lock);
	at = find_tracked(t, t->nr, start);
	for (to = at; to < t->nr && range_at(t, to).start < end; to++) {
		struct uffd_range r = range_at(t, to);

		if (r.start < start)
			rest[nr++] = (struct uffd_range){ r.start, start };
		if (r.end > end)
			rest[nr++] = (struct uffd_range){ end, r.end };
	}
	splice(t, at, to - at, rest, nr);
	sys_mutex_unlock(&t->lock);
}

bool uffd_ranges_next(struct uffd *b, uintptr_t start, uintptr_t end,
		      uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct uffd_range r = { start, end };
	struct uffd_ranges *t = &b->ranges;
	size_t at;

	if (!atomic_load(&t->overflow)) {
		sys_mutex_lock(&t->lock);
		at = find_tracked(t, t->nr, start);
		r = at < t->nr ? range_at(t, at) : (struct uffd_range){ 0, 0 };
		sys_mutex_unlock(&t->lock);
	}
	*ret_start = r.start > start ? r.start : start;
	*ret_end = r.end < end ? r.end : end;
	return *ret_start < *ret_end;
}

bool uffd_ranges_touch(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_ranges *t = &b->ranges;
	bool found;
	size_t at;

	if (atomic_load(&t->overflow))
		return false;
	sys_mutex_lock(&t->lock);
	at = find_tracked(t, t->nr, start);
	found = at < t->nr && range_at(t, at).start < end;
	sys_mutex_unlock(&t->lock);
	return found;
}

bool uffd_ranges_has(const struct uffd *b, uintptr_t addr)
{
	const struct uffd_ranges *t = &b->ranges;
	uint32_t seq;
	bool found;

	if (atomic_load(&t->overflow))
		return uffd_is_registered(b, addr);
	do {
		size_t nr, at;

		while ((seq = atomic_load(&t->seq)) & 1)
			sys_yield();
		nr = atomic_load(&t->nr);
		at = find_tracked(t, nr, addr);
		found = at < nr && range_at(t, at).start <= addr;
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load(&t->seq) != seq);
	return found;
}
