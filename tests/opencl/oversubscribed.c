// SPDX-License-Identifier: MIT
/*
 * A kernel over four times as much memory as the device has completes: pages go
 * home to make room for others, also those that no kernel asked for.  Each
 * work-item has its effect once.
 */
#include "opencl.h"

#define DEVICE_PAGES 1024
#define NPAGES	     (4 * DEVICE_PAGES)

int main(void)
{
	struct uhmm_cl_stats stats = { .size = sizeof(stats) };
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "4M");
	struct uhmm_device *dev = uhmm_cl_device(cl);
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, test_cl_add, "add");
	uint64_t *p = test_map_blocks(NPAGES / BLOCK_PAGES);
	uint64_t *other = test_map_blocks(2);
	struct uhmm_cl_range ahead = { sizeof(ahead), p, NPAGES * PAGE,
				       UHMM_CL_AHEAD };

	test_fill(p, NPAGES, 1);
	test_fill(other, DEVICE_PAGES, 2);
	test_move(u, other, DEVICE_PAGES, dev);
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 5, NULL, &stats), 0);
	CHECK(stats.evicted >= NPAGES - DEVICE_PAGES);
	CHECK(stats.rounds >= NPAGES / DEVICE_PAGES);
	CHECK_EQ(stats.splits, 0);
	CHECK(stats.bytes_in >= NPAGES * PAGE);
	CHECK(stats.bytes_out >= (NPAGES - DEVICE_PAGES) * PAGE);
	CHECK(test_info(dev).used <= DEVICE_PAGES);

	/* ahead, as far as there is room */
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 6, &ahead, &stats), 0);
	CHECK(stats.faults < NPAGES);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(p[i], test_word(1, i) + 11);
	test_verify(other, DEVICE_PAGES, 2);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
