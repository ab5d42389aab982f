// SPDX-License-Identifier: MIT
/*
 * A device page is handed out once at a time, all of them can be, and in long
 * runs while there are any; a block's number of them in one that is aligned.
 */
#include "core/context/context.h"
#include "core/device/device.h"
#include "test.h"

#define MAX 2000

/* Takes and frees pages at random, against an array of booleans. */
static void test_model(uint64_t *seed, uint64_t npages)
{
	static bool used[MAX];
	struct pagemap pm = { 0 };
	uint64_t got[MAX], n_used = 0;

	memset(used, 0, sizeof(used));
	CHECK_EQ(pagemap_init(&pm, npages), 0);
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
		test_model(&seed, n);
	test_model(&seed, 64);
	test_model(&seed, 128);
	return 0;
}
