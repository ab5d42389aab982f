// SPDX-License-Identifier: MIT
/*
 * Managed addresses agree with an array of booleans through every addition and
 * deletion, and a reader never misses one that is managed all the while.
 */
#include <pthread.h>

#include "world.h"

#define NR 4096 /* pages */

static bool managed[NR];
static struct uhmm *u;

static uintptr_t at(size_t page)
{
	return FAKE_BASE + page * PAGE;
}

static void check_next(size_t first, size_t last)
{
	uintptr_t s = 0, e = 0;
	size_t a = first, b;
	bool found = region_next(u, at(first), at(last), &s, &e);

	while (a < last && !managed[a])
		a++;
	CHECK_EQ(found, a < last);
	if (!found)
		return;
	for (b = a; b < last && managed[b]; b++)
		;
	CHECK_EQ(s, at(a));
	CHECK_EQ(e, at(b));
	CHECK_EQ(region_covers(u, at(first), at(last)),
		 a == first && b == last);
}

/* Disjoint, sorted, merged: as few nodes as there are runs. */
static void check_list(void)
{
	size_t runs = 0, nodes = 0;

	for (size_t i = 0; i < NR; i++)
		runs += managed[i] && (!i || !managed[i - 1]);
	for (struct region *r = atomic_load(&u->regions.head.next[0]); r;
	     r = atomic_load(&r->next[0]))
		nodes++;
	CHECK_EQ(nodes, runs);
	for (int level = 1; level < MAX_HEIGHT; level++) {
		uintptr_t last = 0;

		for (struct region *r =
			     atomic_load(&u->regions.head.next[level]);
		     r; r = atomic_load(&r->next[level])) {
			CHECK(r->start >= last);
			CHECK(r->height > level);
			last = atomic_load(&r->end);
			CHECK(last > r->start);
		}
	}
}

static void test_model(uint64_t *seed, size_t longest)
{
	for (int i = 0; i < 4000; i++) {
		size_t a = test_below(seed, NR);
		size_t b = a + 1 + test_below(seed, longest);
		bool in = test_below(seed, 2);

		b = b > NR ? NR : b;
		if (in)
			CHECK_EQ(region_add(u, at(a), at(b)), 0);
		else
			CHECK_EQ(region_del(u, at(a), at(b)), 0);
		for (size_t k = a; k < b; k++)
			managed[k] = in;
		for (int k = 0; k < 8; k++) {
			a = test_below(seed, NR);
			check_next(a, a + 1 + test_below(seed, NR - a));
		}
		if (i % 50 == 0) {
			check_list();
			region_reap(u);
		}
	}
	CHECK_EQ(region_del(u, at(0), at(NR)), 0);
	memset(managed, 0, sizeof(managed));
	check_list();
}

/* ---- Readers while a writer changes ------------------------------------ */

/*
 * Pages 8, 24, 40, ... are managed all the while.  What lies between comes and
 * goes, so that they are split off, merged and split again.
 */
#define STEP   16
#define STABLE (STEP / 2)

static _Atomic bool stop;
static _Atomic long looks;

static void *reader(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t page = test_below(&seed, NR / STEP) * STEP + STABLE;
		uintptr_t s = 0, e = 0;

		CHECK(region_next(u, at(page), at(page + 1), &s, &e));
		CHECK_EQ(s, at(page));
		CHECK_EQ(e, at(page + 1));
		atomic_fetch_add(&looks, 1);
	}
	return NULL;
}

static void change_between(uint64_t *seed)
{
	size_t k = test_below(seed, NR / STEP - 1);
	size_t first = k * STEP + STABLE + 1;
	size_t a = first + test_below(seed, STEP - 1);
	size_t b = a + 1 + test_below(seed, first + STEP - 1 - a);

	if (test_below(seed, 2))
		CHECK_EQ(region_add(u, at(a), at(b)), 0);
	else
		CHECK_EQ(region_del(u, at(a), at(b)), 0);
	/* what covers stable pages may be added again */
	if (test_below(seed, 4) == 0)
		CHECK_EQ(region_add(u, at(first - 1), at(first + STEP)), 0);
}

static void test_readers(uint64_t seed)
{
	uint64_t until =
		sys_now_ns() + (test_is_soak() ? 60 : 1) * UINT64_C(1000000000);
	pthread_t t[2];

	for (size_t p = STABLE; p < NR; p += STEP)
		CHECK_EQ(region_add(u, at(p), at(p + 1)), 0);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, reader, (void *)(i + 1)),
			 0);
	while (sys_now_ns() < until) {
		for (int i = 0; i < 100; i++)
			change_between(&seed);
		region_reap(u);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK(atomic_load(&looks) > 0);
}

int main(void)
{
	uint64_t seed = test_seed();
	struct world w = world_open(NULL);

	u = w.u;
	test_model(&seed, 1);
	test_model(&seed, 20);
	test_model(&seed, 700);
	test_readers(seed);
	CHECK_EQ(uhmm_close(u), 0);
	return 0;
}
