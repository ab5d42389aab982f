// SPDX-License-Identifier: MIT
/*
 * Pages that a device reports to use are demoted last, though the CPU never
 * touches them.  Under a lower limit they are demoted, too.
 */
#include "../mirror.h"

#define NBLOCKS 8
#define NPAGES	(NBLOCKS * BLOCK_PAGES)

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:64M");
	char *p = test_map_blocks(NBLOCKS), *used = p + 3 * BLOCK;

	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_device_accessed(dev, used, BLOCK, 2000), 0);
	CHECK_EQ(uhmm_set_ram_limit(u, NPAGES * PAGE / 2), 0);
	CHECK_SOON(test_count_on(u, p, NPAGES, dev) >= NPAGES / 2);
	CHECK_EQ(test_count_on(u, used, BLOCK_PAGES, dev), 0);
	CHECK_EQ(uhmm_set_ram_limit(u, 64 * PAGE), 0);
	CHECK_SOON(test_count_on(u, used, BLOCK_PAGES, dev) > 0);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
