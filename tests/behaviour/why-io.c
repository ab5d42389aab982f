// SPDX-License-Identifier: MIT
/*
 * When the copy to the device fails, its pages stay in RAM with their data, for
 * the reason "io-error"; the other pages go.  A later try succeeds.
 */
#include "../device.h"

#define NPAGES BLOCK_PAGES

static uint8_t why[MAX_BLOCK_PAGES];
static struct test_ops ops;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 2 * NPAGES);
	char *p = test_map_blocks(1);
	size_t failed = 0;

	test_fill(p, NPAGES, 1);
	ops.fail_in = -1;
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i], UHMM_WHY_IO);
	CHECK(test_info(dev).errors > 0);
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES);
	test_verify(p, NPAGES, 1);

	ops.fail_in = 0;
	ops.bad_in = 40 + 1; /* one device page is bad: it holds up no other */
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 1);
	for (size_t i = 0; i < NPAGES; i++)
		failed += why[i] == UHMM_WHY_IO;
	CHECK_EQ(failed, 1);
	test_verify(p, NPAGES, 1);
	ops.bad_in = 0;
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
