// SPDX-License-Identifier: MIT
/*
 * A lost page that uhmm has no more to do with is not moved, for the reason
 * "poisoned": no provider reads it, and a touch still raises SIGBUS.
 */
#include "../device.h"

#define NPAGES 600
#define BAD    100

static uint8_t why[NPAGES];
static struct test_ops ops;

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p;

	test_catch(SIGBUS);
	u = test_open();
	if (!test_has(u, "poison"))
		test_skip("nothing outlives the registration without poison");
	dev = test_device_of(u, &ops, NPAGES);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	ops.bad_out = uhmm_pfn_dpfn(test_pfns(u, p + BAD * PAGE, 1)[0]) + 1;
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), -EIO);
	ops.bad_out = 0;

	for (int round = 0; round < 2; round++) {
		CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why),
			 NPAGES - 1);
		for (size_t i = 0; i < NPAGES; i++)
			CHECK_EQ(why[i],
				 i == BAD ? UHMM_WHY_POISONED : UHMM_WHY_OK);
	}
	test_verify(p, BAD, 1);
	CHECK_EQ(test_read_raises(p + BAD * PAGE), SIGBUS);
	CHECK_EQ(((uint64_t *)p)[(BAD + 1) * PAGE_WORDS],
		 test_word(1, (BAD + 1) * PAGE_WORDS));
	test_close(u);
	CHECK_EQ(test_read_raises(p + BAD * PAGE), SIGBUS);
	return 0;
}
