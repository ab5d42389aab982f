// SPDX-License-Identifier: MIT
/*
 * A device that has pages to itself is told before they are discarded or
 * unmapped: until then their frames are the device's, and no other page's.  So
 * it is if it takes a page while it is being told of another.  A thread that
 * touches such a page meanwhile is woken when the page is gone.
 */
#include "world.h"

#include <uhmm/mirror.h>

#define N 16

static struct world w;
static unsigned nr_told;
static size_t next; /* taken while the device is told of others, or 0 */

/* A mover has frozen page @next, which was the device's alone. */
static void begin_taking(void)
{
	uintptr_t at = (uintptr_t)world_at(next);
	struct block *b = block_find(w.u, at);
	unsigned i = page_index(at);

	block_lock(b);
	block_event(w.u, b, i, E_REVOKE);
	block_event(w.u, b, i, E_PARK);
	block_event(w.u, b, i, E_TAKE);
	block_unlock(w.u, b);
}

static void end_taking(void)
{
	uintptr_t at = (uintptr_t)world_at(next);
	struct block *b = block_find(w.u, at);

	block_lock(b);
	block_arrive(w.u, b, page_index(at), 1, 0, E_EXCLUDE);
	block_unlock(w.u, b);
	next = 0;
}

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
	if (next)
		end_taking();
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

static void remap(struct mm *mm, uintptr_t start, uintptr_t end)
{
	CHECK_EQ(fake_mremap(mm, start, (uintptr_t)world_at(N), end - start),
		 0);
}

/* The device is told of page @first, and takes the next one meanwhile. */
static void check_taken_beside(struct uhmm_mirror *m,
			       void (*change)(struct mm *mm, uintptr_t start,
					      uintptr_t end),
			       size_t first, unsigned told)
{
	CHECK_EQ(uhmm_mirror_fault(m, world_at(first), 2 * PAGE,
				   UHMM_FAULT_EXCLUSIVE),
		 0);
	nr_told = 0;
	next = first + 1;
	begin_taking();
	change(w.mm, (uintptr_t)world_at(first),
	       (uintptr_t)world_at(first + 2));
	CHECK_EQ(next, 0);
	CHECK_EQ(nr_told, told);
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
	CHECK_EQ(uhmm_mirror_fault(m, world_at(0), 8 * PAGE,
				   UHMM_FAULT_EXCLUSIVE),
		 0);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(world_state(&w, i), P_EXCLUSIVE);
	check_told(fake_discard, 1, 4);
	check_told(fake_munmap, 4, 6);
	world_verify(&w, 0, 1, 1);
	check_taken_beside(m, fake_discard, 8, 3);
	check_taken_beside(m, fake_munmap, 10, 3);
	check_taken_beside(m, remap, 12, 2);
	world_verify(&w, 6, 2, 1);
	world_verify(&w, 14, 2, 1);
	CHECK_EQ(uhmm_mirror_remove(m), 0);
	world_close(&w);
	return 0;
}
