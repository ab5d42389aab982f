// SPDX-License-Identifier: MIT
/*
 * MADV_DONTNEED of pages on a device frees them there, and they read as zeroes
 * afterwards; the others keep their data.
 */
#include "../context.h"

#define NPAGES 1200

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *mid = p + 300 * PAGE;

	for (uint64_t round = 0; round < 3; round++) {
		test_fill(p, NPAGES, round);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(madvise(mid, 600 * PAGE, MADV_DONTNEED), 0);
		test_verify_zero(mid, 600);
		CHECK_SOON(test_info(dev).used == NPAGES - 600);
		test_fill(mid, 600, 100 + round);
		test_move(u, p, NPAGES, dev);
		test_verify(mid, 600, 100 + round);
		test_verify(p, 300, round);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
		CHECK_SOON(test_info(dev).used == 0);
		test_verify_zero(p, NPAGES);
	}
	CHECK(test_stats(u).discarded >= 3 * (600 + NPAGES));
	test_close(u);
	return 0;
}
