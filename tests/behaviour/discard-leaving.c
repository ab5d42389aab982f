// SPDX-License-Identifier: MIT
/*
 * MADV_DONTNEED of pages that are being copied to a device: they read as
 * zeroes, at once and after the copy has ended, and hold no device page.
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
	mover = (struct test_mover){
		.u = u, .dev = dev, .p = p, .npages = NPAGES
	};
	ops.hold_in = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	CHECK_EQ(madvise(mid, 100 * PAGE, MADV_DONTNEED), 0);
	test_verify_zero(mid, 10);
	test_fill(mid, 5, 2);
	test_release(&ops);
	test_mover_join(&mover);
	CHECK_EQ(mover.ret, NPAGES - 100);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 100);
	test_verify(mid, 5, 2);
	test_verify_zero(mid + 5 * PAGE, 95);
	test_verify(p, 100, 1);
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
	CHECK_SOON(test_info(dev).used == 0);
	test_verify_zero(p, NPAGES);
	test_close(u);
	return 0;
}
