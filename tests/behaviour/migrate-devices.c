// SPDX-License-Identifier: MIT
/*
 * Pages go from one device to another, whatever their providers, and half of
 * a range that is on two devices comes home by a touch.  A removed device
 * gives its pages back to RAM.
 */
#include "../context.h"

#define NPAGES 800

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *ram = test_device(u, "ram:16M");
	struct uhmm_device *zram = test_device(u, "zram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	memset(p + 5 * PAGE, 0, 10 * PAGE);
	memset(p + 15 * PAGE, 0x55, 10 * PAGE);
	test_move(u, p, NPAGES, ram);
	test_move(u, p, NPAGES, zram);
	CHECK_EQ(test_info(ram).used, 0);
	CHECK_EQ(test_info(zram).used, NPAGES);
	CHECK(test_info(zram).stored_bytes > 0);
	test_move(u, p, NPAGES / 2, ram);
	CHECK_EQ(test_info(zram).used, NPAGES / 2);

	test_verify(p, 5, 1);
	for (size_t i = 5 * PAGE; i < 25 * PAGE; i++)
		CHECK_EQ(p[i], i < 15 * PAGE ? 0 : 0x55);
	test_fill(p, 25, 1);
	test_verify(p, NPAGES, 1);

	test_move(u, p, NPAGES / 2, ram);
	test_move(u, p + NPAGES / 2 * PAGE, NPAGES / 2, zram);
	CHECK_EQ(uhmm_device_remove(zram), 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES / 2);
	CHECK_EQ(test_count_on(u, p, NPAGES, ram), NPAGES / 2);
	CHECK_EQ(uhmm_device_remove(ram), 0);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
