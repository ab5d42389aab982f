// SPDX-License-Identifier: MIT
/*
 * Whole huge pages go out and come home with their data, and where the kernel
 * can move them (feature "move") they are huge pages still, both when they are
 * asked home and when a stream of touches brings them.
 */
#include "../huge.h"

#define NBLOCKS 4
#define NPAGES	(NBLOCKS * BLOCK_PAGES)

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_huge(NBLOCKS, 1);

	for (int round = 0; round < 5; round++) {
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(test_huge_bytes(p, NBLOCKS * BLOCK), 0);
		test_move(u, p, NPAGES, NULL);
		test_verify(p, NPAGES, 1);
		if (test_has(u, "move"))
			CHECK_EQ(test_huge_bytes(p, NBLOCKS * BLOCK),
				 NBLOCKS * BLOCK);
	}
	test_move(u, p, NPAGES, dev);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	test_close(u);
	return 0;
}
