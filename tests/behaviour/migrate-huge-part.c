// SPDX-License-Identifier: MIT
/*
 * One page of a huge page can migrate, also the first and the last, and the
 * others stay where they are with their data.
 */
#include "../huge.h"

int main(void)
{
	const size_t which[] = { 0, 77, BLOCK_PAGES - 1 };
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_huge(3, 1);

	for (size_t k = 0; k < 3; k++) {
		size_t page = k * BLOCK_PAGES + which[k];

		test_move(u, p + page * PAGE, 1, dev);
	}
	CHECK_EQ(test_count_on(u, p, 3 * BLOCK_PAGES, dev), 3);
	CHECK_EQ(test_count_on(u, p, 3 * BLOCK_PAGES, NULL),
		 3 * BLOCK_PAGES - 3);
	test_verify(p, 3 * BLOCK_PAGES, 1);
	test_move(u, p, 3 * BLOCK_PAGES, dev);
	test_move(u, p + PAGE, 1, NULL);
	test_verify(p, 3 * BLOCK_PAGES, 1);
	test_close(u);
	return 0;
}
