// SPDX-License-Identifier: MIT
/*
 * On a coherent device a page is used where it is: no fault brings it home, and
 * what the CPU writes there is there for the device and afterwards in RAM.
 */
#include "../context.h"

#define NPAGES 700

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "dax:16M");
	char *area = test_map(NPAGES);

	test_fill(area, NPAGES - 100, 1);
	test_move(u, area, NPAGES, dev);
	CHECK_EQ(test_count_on(u, area, NPAGES, dev), NPAGES);
	CHECK_EQ(test_info(dev).used, NPAGES);
	test_verify(area, NPAGES - 100, 1);
	test_fill(area, NPAGES, 2);
	test_verify(area, NPAGES, 2);
	CHECK_EQ(test_count_on(u, area, NPAGES, dev), NPAGES);
	CHECK_EQ(test_stats(u).faults, 0);
	test_move(u, area, NPAGES, NULL);
	CHECK_EQ(test_count_on(u, area, NPAGES, dev), 0);
	CHECK_EQ(test_info(dev).used, 0);
	test_verify(area, NPAGES, 2);
	test_fill(area, NPAGES, 3);
	test_move(u, area, NPAGES, dev);
	test_close(u);
	test_verify(area, NPAGES, 3);
	return 0;
}
