// SPDX-License-Identifier: MIT
/*
 * Memory of the process that is not managed takes its part of the limit, but
 * for the first 3 MiB.
 */
#include "core/limit/unmanaged.h"
#include "sys/memory.h"
#include "world.h"

#define B     ((size_t)MM_BLOCK_PAGES)
#define MIB   ((uint64_t)1 << 20)
#define LIMIT ((size_t)(64 * MIB / PAGE))
#define FREE  (UNMANAGED_FREE / PAGE)

static struct world w;
static struct store s;

static struct uhmm_group *setup(void)
{
	struct uhmm_params params = { .size = sizeof(params),
				      .flags = UHMM_OPEN_LIMIT_PROCESS };

	w = world_open(&params);
	store_add(w.u, &s, STORE_PLAIN, 4 * B);
	world_map(&w, 0, 2 * B);
	CHECK_EQ(uhmm_register(w.u, world_at(0), 2 * B * PAGE), 0);
	world_set_limit(&w, LIMIT);
	return &w.u->charge.root;
}

static void note(struct sys_memory m, uint64_t managed)
{
	unmanaged_note(w.u, &m, managed);
}

static uint64_t counts(void)
{
	return atomic_load(&w.u->policy.unmanaged.counts);
}

static void test_free(void)
{
	struct sys_memory m = { .anon = 2 * MIB, .shmem = MIB };

	setup();
	note(m, 0);
	note(m, 0);
	CHECK_EQ(counts(), 0);
	CHECK_EQ(world_stats(&w).unmanaged_peak, FREE);
	CHECK_EQ(world_stats(&w).unmanaged_shared, MIB / PAGE);
	world_close(&w);
}

/* A look counts when the next one agrees. */
static void test_twice(void)
{
	struct sys_memory m = { .anon = 24 * MIB };

	setup();
	note(m, 0);
	CHECK_EQ(counts(), 0);
	note((struct sys_memory){ .anon = 8 * MIB }, 0);
	CHECK_EQ(counts(), 5 * MIB / PAGE);
	note(m, 0);
	CHECK_EQ(counts(), 5 * MIB / PAGE);
	note(m, 16 * MIB / PAGE);
	CHECK_EQ(counts(), 5 * MIB / PAGE);
	note(m, 32 * MIB / PAGE);
	CHECK_EQ(counts(), 35 * MIB / 8 / PAGE);
	for (int i = 0; i < 100; i++)
		note(m, 32 * MIB / PAGE);
	CHECK_EQ(counts(), 0);
	CHECK_EQ(world_stats(&w).unmanaged_peak, 8 * MIB / PAGE);
	world_close(&w);
}

/* Managed pages have the rest of the limit. */
static void test_limit(void)
{
	struct sys_memory m = { .shmem = 20 * MIB, .huge = 4 * MIB };
	struct uhmm_group *root = setup();
	uint64_t before = charge_limit(root), all = charge_total(w.u);

	note(m, 0);
	note(m, 0);
	CHECK_EQ(charge_limit(root), before - 21 * MIB / PAGE);
	CHECK_EQ(charge_total(w.u), all + 21 * MIB / PAGE);
	CHECK_EQ(world_stats(&w).unmanaged_huge, 4 * MIB / PAGE);
	CHECK_EQ(world_stats(&w).unmanaged_shared, 20 * MIB / PAGE);
	world_fill(&w, 0, 2 * B, 1);
	world_verify(&w, 0, 2 * B, 1);
	world_close(&w);
}

/* A child shares what it begins with. */
static void test_child(void)
{
	struct sys_memory m = { .anon = 20 * MIB };

	setup();
	w.u->policy.born_with = 1;
	note(m, 0);
	note(m, 0);
	CHECK_EQ(counts(), 0);
	m.anon += 10 * MIB;
	note(m, 0);
	note(m, 0);
	CHECK_EQ(counts(), 7 * MIB / PAGE);
	w.u->policy.born_with = 0;
	world_close(&w);
}

static void test_real(void)
{
	struct sys_memory m = { 0 };
	static const char text[] = "Name:\tRssAnon: 5\nRssAnon:\t   12 kB\n"
				   "HugetlbPages:\t 2048 kB\n";

	CHECK_EQ(sys_memory_read(true, &m), 0);
	CHECK(m.anon > 0);
	CHECK(m.anon < UINT64_C(1) << 40);
	CHECK_EQ(sys_memory_field(text, "HugetlbPages:"), 2 * MIB);
	CHECK_EQ(sys_memory_field(text, "RssShmem:"), 0);
	CHECK_EQ(sys_memory_field(text + 17, "RssAnon:"), 12 << 10);
}

int main(void)
{
	test_free();
	test_twice();
	test_limit();
	test_child();
	test_real();
	return 0;
}
