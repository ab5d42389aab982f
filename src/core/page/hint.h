/* SPDX-License-Identifier: MIT */
/*
 * hint.h - advice about a run of the pages of one block.
 *
 * A hint is for one run: advice about pages that do not touch that run takes
 * its place.  The lock of the block protects its hints.
 */
#ifndef UHMM_PAGE_HINT_H
#define UHMM_PAGE_HINT_H

#include <stdint.h>

/* Pages [@first, @last) are @what, which is not 0 unless there are none. */
struct hint {
	uint16_t first, last;
	uint8_t what;
};

static inline unsigned hint_at(const struct hint *h, unsigned i)
{
	return i >= h->first && i < h->last ? h->what : 0;
}

/* Forget what is said of [@first, @last).  Of two rests the longer one stays */
static inline void hint_clear(struct hint *h, unsigned first, unsigned last)
{
	unsigned before = first > h->first ? first - h->first : 0;
	unsigned after = last < h->last ? h->last - last : 0;

	if (last <= h->first || first >= h->last)
		return;
	if (!before && !after)
		*h = (struct hint){ .what = 0 };
	else if (before >= after)
		h->last = (uint16_t)first;
	else
		h->first = (uint16_t)last;
}

static inline void hint_set(struct hint *h, unsigned first, unsigned last,
			    unsigned what)
{
	if (h->what == what && first <= h->last && last >= h->first) {
		first = first < h->first ? first : h->first;
		last = last > h->last ? last : h->last;
	}
	*h = (struct hint){ .first = (uint16_t)first,
			    .last = (uint16_t)last,
			    .what = (uint8_t)what };
}

#endif
