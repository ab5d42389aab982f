// SPDX-License-Identifier: MIT
/*
 * Frames that parked pages were copied from, or that had pages that were
 * discarded, count as RAM until they are given up, and the other frames of the
 * block keep their data.  The slot goes when the last page has left.
 */
#include "world.h"

#include "core/charge/charge.h"
#include "core/page/kept.h"

#define N     16
#define LIMIT 1024

static struct world w;
static struct store s;

/* All N pages are in RAM and parked. */
static void park(void)
{
	w = world_open(NULL);
	world_set_limit(&w, LIMIT);
	store_add(w.u, &s, STORE_PLAIN, 2 * N);
	world_map(&w, 0, N);
	CHECK_EQ(uhmm_register(w.u, world_at(0), N * PAGE), 0);
	world_fill(&w, 0, N, 1);
	CHECK_EQ(policy_step(w.u), -EAGAIN);
	for (size_t i = 0; i < N; i++)
		CHECK_EQ(world_state(&w, i), P_FROZEN);
	CHECK_EQ(charge_pages(&w.u->charge.root, 0), N);
}

/* Of @in_ram pages in RAM; @nr_old other frames have memory. */
static void check_ram(uint64_t in_ram, uint64_t nr_old)
{
	CHECK_EQ(atomic_load(&w.u->slots.old), nr_old);
	CHECK_EQ(charge_pages(&w.u->charge.root, 0), in_ram + nr_old);
}

static void touch_back(size_t from, size_t to)
{
	while (from-- > to) /* backwards, so that it is no stream */
		world_verify(&w, from, 1, 1);
}

static void test_touched(void)
{
	park();
	touch_back(N, N - 5);
	check_ram(N, 5);
	kept_shed_all(w.u);
	check_ram(N, 0);
	touch_back(N - 5, 1);
	check_ram(N, N - 6);
	touch_back(1, 0);
	CHECK_EQ(atomic_load(&w.u->slots.old), 0);
	CHECK_EQ(block_find(w.u, (uintptr_t)world_at(0))->slot, NO_SLOT);
	world_verify(&w, 0, N, 1);
	world_close(&w);
}

static void test_gone(void (*change)(struct mm *mm, uintptr_t start,
				     uintptr_t end))
{
	park();
	change(w.mm, (uintptr_t)world_at(2), (uintptr_t)world_at(5));
	check_ram(N - 3, 3);
	kept_shed_all(w.u);
	check_ram(N - 3, 0);
	world_verify(&w, 0, 2, 1);
	world_verify(&w, 5, N - 5, 1);
	world_close(&w);
}

int main(void)
{
	test_touched();
	test_gone(fake_discard);
	test_gone(fake_munmap);
	return 0;
}
