// SPDX-License-Identifier: MIT
/*
 * A set of address ranges in a sorted array.  Neighbours are joined.  The
 * kernel places mappings side by side, so the array is short.
 */
#include <string.h>

#include "preload.h"

bool range_common(const struct range *r, uintptr_t start, uintptr_t end,
		  struct range *ret)
{
	*ret = (struct range){ r->start > start ? r->start : start,
			       r->end < end ? r->end : end };
	return ret->start < ret->end;
}

/* Return: the index of the first range that ends after @addr. */
static size_t find_range(const struct ranges *set, uintptr_t addr)
{
	size_t low = 0, high = set->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->list[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool make_room_in_set(struct ranges *set)
{
	size_t room = set->room ? 2 * set->room : PAGE / sizeof(*set->list);
	struct range *list;

	if (set->nr < set->room)
		return true;
	list = own_alloc(room * sizeof(*list));
	if (!list)
		return false;
	if (set->nr) {
		memcpy(list, set->list, set->nr * sizeof(*list));
		sys_munmap(set->list, set->room * sizeof(*list));
	}
	set->list = list;
	set->room = room;
	return true;
}

/* Replace the ranges from index @at up to @end by the @nr ranges of @with. */
static void replace(struct ranges *set, size_t at, size_t end,
		    const struct range *with, size_t nr)
{
	struct range *list = set->list;

	for (size_t i = at; i < end; i++)
		set->bytes -= list[i].end - list[i].start;
	memmove(list + at + nr, list + end, (set->nr - end) * sizeof(*list));
	set->nr = set->nr - (end - at) + nr;
	for (size_t i = 0; i < nr; i++) {
		list[at + i] = with[i];
		set->bytes += with[i].end - with[i].start;
	}
}

bool ranges_add(struct ranges *set, uintptr_t start, uintptr_t end)
{
	struct range joined = { start, end };
	size_t at, next;

	if (!make_room_in_set(set))
		return false;
	at = start ? find_range(set, start - 1) : 0;
	next = at;
	while (next < set->nr && set->list[next].start <= end) {
		if (set->list[next].start < joined.start)
			joined.start = set->list[next].start;
		if (set->list[next].end > joined.end)
			joined.end = set->list[next].end;
		next++;
	}
	replace(set, at, next, &joined, 1);
	return true;
}

bool ranges_remove(struct ranges *set, uintptr_t start, uintptr_t end)
{
	struct range rest[2];
	size_t nr = 0, at = find_range(set, start), next = at;

	while (next < set->nr && set->list[next].start < end)
		next++;
	if (at == next)
		return true;
	if (!make_room_in_set(set))
		return false;
	if (set->list[at].start < start)
		rest[nr++] = (struct range){ set->list[at].start, start };
	if (set->list[next - 1].end > end)
		rest[nr++] = (struct range){ end, set->list[next - 1].end };
	replace(set, at, next, rest, nr);
	return true;
}

bool ranges_hit(const struct ranges *set, uintptr_t addr)
{
	size_t at = find_range(set, addr);

	return at < set->nr && set->list[at].start <= addr;
}

bool ranges_next(const struct ranges *set, uintptr_t addr, struct range *ret)
{
	size_t at = find_range(set, addr);

	if (at == set->nr)
		return false;
	*ret = set->list[at];
	return true;
}

bool ranges_cover(const struct ranges *set, uintptr_t start, uintptr_t end)
{
	size_t at = find_range(set, start);

	return at < set->nr && set->list[at].start <= start &&
	       set->list[at].end >= end;
}
