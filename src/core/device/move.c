/* SPDX-License-Identifier: MIT */
/*
 * move.c - what all moves of pages of one block have in common.
 */
#include "core/device/move.h"

void move_init(struct move *m, struct uhmm *u, struct block *b,
	       struct uhmm_device *dev)
{
	memset(m, 0, offsetof(struct move, dpfn));
	m->u = u;
	m->b = b;
	m->dev = dev;
}

unsigned move_segments(const struct mm_set *set, const uint64_t *dpfn,
		       char *ram, struct uhmm_segment *ret_seg)
{
	unsigned nr = 0;

	set_for_each(set, i)
		nr = segment_add(ret_seg, nr, dpfn[i], ram + i * MM_PAGE_SIZE);
	return nr;
}

void move_free_spare(struct move *m)
{
	device_free(m->dev, m->spare, m->nspare);
	m->nspare = 0;
}
