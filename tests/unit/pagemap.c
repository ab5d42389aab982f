// SPDX-License-Identifier: MIT
/*
 * A device page is handed out once at a time, all of them can be, and in long
 * runs while there are any; a block's number of them in one that is aligned.
 *
 * A device that asks for runs gets them from a map with many holes, and hardly
 * more of the device is used for that.
 */
#include "core/context/context.h"
#include "core/device/device.h"
#include "test.h"

#define MAX 2000

/* Takes and frees pages at random, against an array of booleans. */
static void test_model(uint64_t *seed, uint64_t npages, bool runs)
{
	static bool used[MAX];
	struct pagemap pm = { 0 };
	uint64_t got[MAX], n_used = 0;

	memset(used, 0, sizeof(used));
	CHECK_EQ(pagemap_init(&pm, npages), 0);
	pm.runs = runs;
	for (int i = 0; i < 3000; i++) {
		unsigned n = 1 + (unsigned)test_below(seed, 100);
		uint64_t at = test_below(seed, npages);

		if (test_below(seed, 2)) {
			unsigned k = pagemap_alloc(&pm, n, got);
			uint64_t left = npages - n_used;

			CHECK_EQ(k, n < left ? n : left);
			for (unsigned j = 0; j < k; j++) {
				CHECK(got[j] < npages && !used[got[j]]);
				used[got[j]] = true;
			}
			n_used += k;
		} else {
			for (; n && at < npages && used[at]; n--, at++) {
				used[at] = false;
				pagemap_free(&pm, at, 1);
				n_used--;
			}
		}
		CHECK_EQ(atomic_load(&pm.nused), n_used);
	}
	pagemap_destroy(&pm);
}

static void test_runs(void)
{
	struct pagemap pm = { 0 };
	uint64_t got[MAX];

	CHECK_EQ(pagemap_init(&pm, 1000), 0);
	CHECK_EQ(pagemap_alloc(&pm, 600, got), 600);
	for (unsigned i = 0; i < 600; i++)
		CHECK_EQ(got[i], i);
	pagemap_free(&pm, 100, 300);
	CHECK_EQ(pagemap_alloc(&pm, 1000, got), 700);
	CHECK_EQ(pagemap_alloc(&pm, 1, got), 0);
	pagemap_free(&pm, 999, 1);
	CHECK_EQ(pagemap_alloc(&pm, 2, got), 1);
	CHECK_EQ(got[0], 999);
	pagemap_free(&pm, 0, 1000);
	CHECK_EQ(atomic_load(&pm.nused), 0);
	CHECK_EQ(pagemap_alloc(&pm, 1000, got), 1000);
	for (unsigned i = 0; i < 1000; i++)
		CHECK_EQ(got[i], i);
	pagemap_destroy(&pm);
}

/* As many as a block has, in one aligned run while there is one. */
static void test_blocks(void)
{
	struct pagemap pm = { 0 };
	uint64_t got[MAX];

	CHECK_EQ(pagemap_init(&pm, 1600), 0);
	CHECK_EQ(pagemap_alloc(&pm, 1, got), 1);
	for (unsigned block = 1; block < 3; block++) {
		CHECK_EQ(pagemap_alloc(&pm, 512, got), 512);
		for (unsigned i = 0; i < 512; i++)
			CHECK_EQ(got[i], block * 512 + i);
	}
	CHECK_EQ(pagemap_alloc(&pm, 512, got), 512);
	CHECK_EQ(got[0], 1);
	CHECK_EQ(got[511], 1536);
	CHECK_EQ(pagemap_alloc(&pm, 512, got), 63);
	CHECK_EQ(got[62], 1599);
	CHECK_EQ(atomic_load(&pm.nused), 1600);
	pagemap_destroy(&pm);
}

/* ---- UHMM_DEVICE_RUNS ---- */

#define LARGE ((uint64_t)1 << 20)

static unsigned nr_runs(const uint64_t *dpfn, unsigned n)
{
	unsigned runs = 0;

	for (unsigned i = 0; i < n; i = dpfn_run_end(dpfn, i, n))
		runs++;
	return runs;
}

/* Every second page is free, and then there are runs. */
static void test_holes(void)
{
	struct pagemap pm = { .runs = true };
	uint64_t got[MAX];

	CHECK_EQ(pagemap_init(&pm, LARGE), 0);
	CHECK_EQ(pagemap_alloc(&pm, 1000, got), 1000);
	CHECK_EQ(nr_runs(got, 1000), 1);
	for (unsigned i = 0; i < 1000; i += 2)
		pagemap_free(&pm, got[i], 1);
	for (unsigned i = 0; i < 10; i++) {
		CHECK_EQ(pagemap_alloc(&pm, 100, got), 100);
		CHECK_EQ(nr_runs(got, 100), 1);
	}
	pagemap_destroy(&pm);
}

/* Only short runs are free: the longest come first, and none is lost. */
static void test_short(void)
{
	struct pagemap pm = { .runs = true };
	uint64_t got[MAX];

	CHECK_EQ(pagemap_init(&pm, 1024), 0);
	CHECK_EQ(pagemap_alloc(&pm, 1024, got), 1024);
	for (uint64_t p = 0; p < 512; p += 2)
		pagemap_free(&pm, p, 1);
	for (uint64_t p = 512; p < 1024; p += 64)
		pagemap_free(&pm, p, 20);
	CHECK_EQ(pagemap_alloc(&pm, 100, got), 100);
	CHECK_EQ(nr_runs(got, 100), 5);
	CHECK_EQ(pagemap_alloc(&pm, 1000, got), 8 * 20 - 100 + 256);
	CHECK_EQ(atomic_load(&pm.nused), 1024);
	pagemap_destroy(&pm);
}

static void free_some(struct pagemap *pm, uint64_t *seed, uint64_t *used,
		      unsigned *n, unsigned by)
{
	while (by--) {
		uint64_t k = test_below(seed, *n);

		pagemap_free(pm, used[k], 1);
		used[k] = used[--*n];
	}
}

/* Batches come, single pages go: few runs, and a small part of the device. */
static void test_churn(uint64_t *seed)
{
	static uint64_t used[20000];
	struct pagemap pm = { .runs = true };
	unsigned n = 0, runs = 0;
	uint64_t most = 0;

	CHECK_EQ(pagemap_init(&pm, LARGE), 0);
	for (unsigned i = 0; i < 2000; i++) {
		CHECK_EQ(pagemap_alloc(&pm, 100, used + n), 100);
		runs += nr_runs(used + n, 100);
		for (unsigned k = n; k < n + 100; k++)
			most = used[k] > most ? used[k] : most;
		n += 100;
		if (n > 16000)
			free_some(&pm, seed, used, &n, 100);
	}
	CHECK(most <= 2 * 16100 + 8192);
	CHECK(runs <= 2000 * 100 / 8);
	pagemap_destroy(&pm);
}

static void test_closed(void)
{
	struct pagemap pm = { 0 };
	uint64_t got[4];

	CHECK_EQ(pagemap_init(&pm, 1), 0);
	pagemap_close(&pm, true);
	CHECK_EQ(pagemap_alloc(&pm, 1, got), 0);
	pagemap_close(&pm, false);
	CHECK_EQ(pagemap_alloc(&pm, 4, got), 1);
	CHECK_EQ(got[0], 0);
	pagemap_destroy(&pm);
}

int main(void)
{
	uint64_t seed = test_seed();

	test_runs();
	test_blocks();
	test_closed();
	for (uint64_t n = 1; n < MAX; n = n * 3 / 2 + 1)
		test_model(&seed, n, n % 2);
	for (unsigned runs = 0; runs < 2; runs++) {
		test_model(&seed, 64, runs);
		test_model(&seed, 128, runs);
		test_model(&seed, MAX - 1, runs);
	}
	test_holes();
	test_short();
	test_churn(&seed);
	return 0;
}
