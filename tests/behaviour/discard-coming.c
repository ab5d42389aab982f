// SPDX-License-Identifier: MIT
/*
 * MADV_DONTNEED of pages that are being copied home: none of the old data
 * comes back afterwards, and the device pages are freed.
 */
#include "../device.h"

#define NPAGES 400

static struct test_ops ops;
static struct test_mover mover;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, NPAGES);
	char *p = test_map_blocks(1), *mid = p + 100 * PAGE;

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	mover = (struct test_mover){ .u = u, .p = p, .npages = NPAGES };
	ops.hold_out = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	CHECK_EQ(madvise(mid, 100 * PAGE, MADV_DONTNEED), 0);
	test_release(&ops);
	test_verify_zero(mid, 50);
	test_mover_join(&mover);
	test_verify_zero(mid, 100);
	test_verify(p, 100, 1);
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_EQ(((uint64_t *)p)[300 * PAGE_WORDS],
		 test_word(1, 300 * PAGE_WORDS));
	test_close(u);
	return 0;
}
