// SPDX-License-Identifier: MIT
/*
 * Whole huge pages go out and come home with their data, and where the kernel
 * can move them (feature "move") they are huge pages still, both when they are
 * asked home and when a stream of touches brings them; also when no frames
 * were kept for them (feature "scan").
 */
#include "../huge.h"

#define NBLOCKS 4
#define NPAGES	(NBLOCKS * BLOCK_PAGES)

static void round_trips(struct uhmm *u, struct uhmm_device *dev, bool huge)
{
	char *p = test_map_huge(NBLOCKS, 1);

	for (int round = 0; round < 5; round++) {
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(test_huge_bytes(p, NBLOCKS * BLOCK), 0);
		test_move(u, p, NPAGES, NULL);
		test_verify(p, NPAGES, 1);
		if (huge)
			CHECK_EQ(test_huge_bytes(p, NBLOCKS * BLOCK),
				 NBLOCKS * BLOCK);
	}
	test_move(u, p, NPAGES, dev);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
}

int main(void)
{
	struct uhmm *u = test_open();

	round_trips(u, test_device(u, "ram:16M"), test_has(u, "move"));
	test_close(u);
	u = test_open_with((struct uhmm_params){ .pool_limit = PAGE });
	round_trips(u, test_device(u, "ram:16M"),
		    test_has(u, "move") && test_has(u, "scan"));
	test_close(u);
	return 0;
}
