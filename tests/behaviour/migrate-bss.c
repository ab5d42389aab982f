// SPDX-License-Identifier: MIT
/* Zero-initialised variables of the program go to a device and back. */
#include "../context.h"

#define NPAGES 900

static _Alignas(MAX_PAGE) char area[NPAGES * MAX_PAGE];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");

	test_fill(area, NPAGES, 1);
	test_move(u, area, NPAGES, dev);
	CHECK_EQ(test_count_on(u, area, NPAGES, NULL), 0);
	test_verify(area, NPAGES / 2, 1);
	CHECK(test_count_on(u, area, NPAGES, NULL) >= NPAGES / 2);
	test_move(u, area, NPAGES, NULL);
	test_verify(area, NPAGES, 1);
	test_close(u);
	return 0;
}
