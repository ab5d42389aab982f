// SPDX-License-Identifier: MIT
/*
 * An anonymous mapping of several blocks goes out and comes home by request,
 * in one call and page by page; statistics and device tell the same story.
 */
#include "../context.h"

#define NPAGES 1700

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	CHECK_EQ(test_info(dev).pages_in, NPAGES);
	CHECK_EQ(test_stats(u).device_pages, NPAGES);
	CHECK_EQ(test_stats(u).to_device, NPAGES);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES);
	CHECK_EQ(test_info(dev).pages_in, NPAGES);

	test_move(u, p, NPAGES, NULL);
	CHECK_EQ(test_stats(u).to_ram, NPAGES);
	CHECK_EQ(test_stats(u).device_pages, 0);
	CHECK_EQ(test_stats(u).faults, 0);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_stats(u).faults, 0);

	for (size_t i = 0; i < NPAGES; i += 5)
		CHECK_EQ(uhmm_migrate(u, p + i * PAGE, PAGE, dev), 1);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES / 5);
	test_verify(p, NPAGES, 1);
	CHECK_SOON(test_info(dev).used == 0);
	CHECK(test_stats(u).faults > 0);
	munmap(p, NPAGES * PAGE);
	test_close(u);
	return 0;
}
