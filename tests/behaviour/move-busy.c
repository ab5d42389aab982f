// SPDX-License-Identifier: MIT
/*
 * Two moves of the same pages at once: both end, the data are intact, and
 * each page is where one of them put it.
 */
#include "../device.h"

#define NPAGES 300

static struct test_ops ops;
static struct test_mover mover, second;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, NPAGES);
	struct uhmm_device *other = test_device(u, "ram:4M");
	char *p = test_map_blocks(1);

	test_fill(p, NPAGES, 1);
	mover = (struct test_mover){
		.u = u, .dev = dev, .p = p, .npages = NPAGES
	};
	second = (struct test_mover){
		.u = u, .dev = other, .p = p, .npages = NPAGES
	};
	ops.hold_in = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	test_mover_start(&second);
	test_release(&ops);
	test_mover_join(&mover);
	test_mover_join(&second);
	CHECK_EQ(mover.ret, NPAGES);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - second.ret);
	CHECK_EQ(test_count_on(u, p, NPAGES, other), second.ret);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(second.why[i] == UHMM_WHY_OK ||
		      second.why[i] == UHMM_WHY_BUSY);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
