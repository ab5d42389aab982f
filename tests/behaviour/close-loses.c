// SPDX-License-Identifier: MIT
/*
 * Closing with a page that cannot come home says -EIO, poisons that page and
 * brings every other one home.
 */
#include "../device.h"

#define NPAGES 600
#define BAD    100

static struct test_ops ops;

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p;

	test_catch(SIGBUS);
	u = test_open();
	if (!test_has(u, "poison"))
		test_skip("nothing outlives the context without poison");
	dev = test_device_of(u, &ops, NPAGES);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	ops.bad_out = uhmm_pfn_dpfn(test_pfns(u, p + BAD * PAGE, 1)[0]) + 1;
	CHECK_EQ(uhmm_close(u), -EIO);
	test_verify(p, BAD, 1);
	CHECK_EQ(test_read_raises(p + BAD * PAGE), SIGBUS);
	CHECK_EQ(((uint64_t *)p)[(BAD + 1) * PAGE_WORDS],
		 test_word(1, (BAD + 1) * PAGE_WORDS));
	return 0;
}
