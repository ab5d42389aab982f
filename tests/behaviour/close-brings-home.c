// SPDX-License-Identifier: MIT
/*
 * Closing a context brings every page home, from all devices, and nothing of
 * it is left: the memory can be managed by a new context and is discarded and
 * unmapped as if nobody had ever managed it.
 */
#include "../context.h"

#define NPAGES 1100

int main(void)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	for (int round = 0; round < 3; round++) {
		struct uhmm *u = test_open();
		struct uhmm_device *ram = test_device(u, "ram:16M");
		struct uhmm_device *zram = test_device(u, "zram:16M");

		test_move(u, p, NPAGES / 2, ram);
		test_move(u, p + NPAGES / 2 * PAGE, NPAGES / 2, zram);
		CHECK_EQ(test_count_on(u, p, NPAGES, NULL), 0);
		test_close(u);
		test_verify(p, NPAGES, 1);
	}
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	test_verify_zero(p, NPAGES);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	return 0;
}
