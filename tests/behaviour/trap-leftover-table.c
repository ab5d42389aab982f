// SPDX-License-Identifier: MIT
/*
 * A page table that small pages left behind, in a frame or at the address,
 * must not make the kernel split a huge page that is moved there: it goes and
 * comes huge (feature "move") after blocks of small pages went the same way.
 */
#include "../huge.h"

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:32M");
	char *huge = test_map_huge(2, 1), *small = test_map_blocks(2);

	madvise(small, 2 * BLOCK, MADV_NOHUGEPAGE);
	for (uint64_t round = 0; round < 6; round++) {
		test_fill(small, 2 * BLOCK_PAGES, round);
		test_move(u, small, 2 * BLOCK_PAGES, dev);
		test_move(u, huge, 2 * BLOCK_PAGES, dev);
		test_move(u, small, 2 * BLOCK_PAGES, NULL);
		test_move(u, huge, 2 * BLOCK_PAGES, NULL);
		if (test_has(u, "move"))
			CHECK_EQ(test_huge_bytes(huge, 2 * BLOCK), 2 * BLOCK);
		test_verify(huge, 2 * BLOCK_PAGES, 1);
		test_verify(small, 2 * BLOCK_PAGES, round);
	}
	/* One small page comes and goes at the address: still intact. */
	test_move(u, huge, 2 * BLOCK_PAGES, dev);
	CHECK_EQ(((uint64_t *)huge)[5 * PAGE_WORDS],
		 test_word(1, 5 * PAGE_WORDS));
	test_move(u, huge, 2 * BLOCK_PAGES, dev);
	test_move(u, huge, 2 * BLOCK_PAGES, NULL);
	test_verify(huge, 2 * BLOCK_PAGES, 1);
	test_close(u);
	return 0;
}
