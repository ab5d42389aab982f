// SPDX-License-Identifier: MIT
/* The parts of a range that are managed, of arenas and of mappings. */
#include "preload.h"

static void clip(const struct range *r, uintptr_t start, uintptr_t end,
		 struct range *best)
{
	struct range part;

	if (range_common(r, start, end, &part) && part.start < best->start)
		*best = part;
}

bool manage_part(uintptr_t start, uintptr_t end, struct range *ret)
{
	struct range best = { UINTPTR_MAX, 0 };
	struct range part;

	for (size_t i = 0; reserve_part(i, &part); i++)
		clip(&part, start, end, &best);
	if (best.start != start && manage_next(start, end, &part))
		clip(&part, start, end, &best);
	if (best.start != start && shared_next(start, end, &part))
		clip(&part, start, end, &best);
	if (!best.end)
		return false;
	*ret = best;
	return true;
}
