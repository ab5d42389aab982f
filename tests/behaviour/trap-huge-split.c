// SPDX-License-Identifier: MIT
/*
 * Huge pages that cannot go as a whole, since one page of each is pinned,
 * discarded, protected or on the device already, go in parts: nothing is lost
 * and the odd page is where it should be.
 */
#include "../huge.h"

static struct uhmm *u;
static struct uhmm_device *dev;

static void check_rest(char *p, size_t odd, uint64_t seed)
{
	const uint64_t *w = (uint64_t *)p;

	for (size_t i = 0; i < BLOCK_PAGES * PAGE_WORDS; i++)
		if (i / PAGE_WORDS != odd)
			CHECK_EQ(w[i], test_word(seed, i));
}

int main(void)
{
	char *p;

	u = test_open();
	dev = test_device(u, "ram:32M");

	p = test_map_huge(1, 1);
	CHECK_EQ(uhmm_pin(u, p + 9 * PAGE, PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, BLOCK, dev), BLOCK_PAGES - 1);
	CHECK_EQ(test_count_on(u, p, BLOCK_PAGES, NULL), 1);
	test_verify(p, BLOCK_PAGES, 1);
	CHECK_EQ(uhmm_unpin(u, p + 9 * PAGE, PAGE), 0);

	p = test_map_huge(1, 2);
	CHECK_EQ(madvise(p + 20 * PAGE, PAGE, MADV_DONTNEED), 0);
	test_move(u, p, BLOCK_PAGES, dev);
	test_verify_zero(p + 20 * PAGE, 1);
	check_rest(p, 20, 2);

	p = test_map_huge(1, 3);
	CHECK_EQ(mprotect(p + 30 * PAGE, PAGE, PROT_READ), 0);
	test_move(u, p, BLOCK_PAGES, dev);
	test_verify(p, BLOCK_PAGES, 3);

	p = test_map_huge(1, 4);
	test_move(u, p + 40 * PAGE, 1, dev);
	test_move(u, p, BLOCK_PAGES, dev);
	test_move(u, p + 41 * PAGE, 1, NULL);
	test_verify(p, BLOCK_PAGES, 4);

	p = test_map_huge(1, 5); /* out as a whole, home by a scattered touch */
	test_move(u, p, BLOCK_PAGES, dev);
	for (size_t i = 7; i < BLOCK_PAGES; i += 50)
		CHECK_EQ(((uint64_t *)p)[i * PAGE_WORDS],
			 test_word(5, i * PAGE_WORDS));
	test_move(u, p, BLOCK_PAGES, dev);
	test_verify(p, BLOCK_PAGES, 5);
	test_close(u);
	return 0;
}
