// SPDX-License-Identifier: MIT
/*
 * A device that has pages to itself is told before they are discarded or
 * unmapped: until then their frames are the device's, and no other page's.  A
 * thread that touches such a page meanwhile is woken when the page is gone.
 */
#include "world.h"

#include <uhmm/mirror.h>

#define N 8

static struct world w;
static unsigned nr_told;

static int map(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	return 0;
}

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	for (size_t i = 0; i < N; i++) {
		uintptr_t at = (uintptr_t)world_at(i);

		if (at < start || at >= end || world_state(&w, i) != P_REVOKING)
			continue;
		nr_told++;
		CHECK_EQ(w.mm->client->fault(w.mm->client->priv, at, 0),
			 MM_WAIT);
	}
}

static void check_told(void (*change)(struct mm *mm, uintptr_t start,
				      uintptr_t end),
		       size_t first, size_t last)
{
	nr_told = 0;
	change(w.mm, (uintptr_t)world_at(first), (uintptr_t)world_at(last));
	CHECK_EQ(nr_told, last - first);
	CHECK(!atomic_load(
		&block_find(w.u, (uintptr_t)world_at(first))->waiting));
	for (size_t i = first; i < last; i++)
		CHECK(world_state(&w, i) != P_REVOKING);
}

int main(void)
{
	static const struct uhmm_mirror_ops ops = { .size = sizeof(ops),
						    .map = map,
						    .invalidate = invalidate };
	struct uhmm_mirror *m;

	w = world_open(NULL);
	world_map(&w, 0, N);
	world_fill(&w, 0, N, 1);
	CHECK_EQ(uhmm_mirror_add(w.u, world_at(0), N * PAGE, NULL, &ops, NULL,
				 &m),
		 0);
	CHECK_EQ(uhmm_mirror_fault(m, world_at(0), N * PAGE,
				   UHMM_FAULT_EXCLUSIVE),
		 0);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(&w, i), P_EXCLUSIVE);
	check_told(fake_discard, 1, 4);
	check_told(fake_munmap, 4, 6);
	world_verify(&w, 0, 1, 1);
	world_verify(&w, 6, N - 6, 1);
	CHECK_EQ(uhmm_mirror_remove(m), 0);
	world_close(&w);
	return 0;
}
