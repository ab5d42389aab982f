// SPDX-License-Identifier: MIT
/*
 * mlock(2) of pages on a device brings them home and keeps them there.  In
 * inline mode the kernel cannot, and says so; the data are there all the same.
 */
#include "../context.h"

#define NPAGES 200

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	if (test_has(u, "threads") && test_has(u, "kernel-faults")) {
		if (test_mlock(p, NPAGES * PAGE))
			test_skip("may not lock 800 KiB");
		CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES);
		CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), 0);
	} else {
		CHECK_EQ(test_mlock(p, NPAGES * PAGE), -1);
	}
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_munlock(p, NPAGES * PAGE), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
