// SPDX-License-Identifier: MIT
/*
 * A device is lost: what was there alone raises SIGBUS, all else is intact, and
 * nobody calls the provider again but to release it.  Unmapping a lost page
 * makes its address good again.
 */
#include "../device.h"

#define NPAGES 600 /* in two blocks */
#define HALF   300

static struct test_ops ops, other_ops;

static void check_lost(struct uhmm *u, char *p)
{
	for (size_t i = 0; i < HALF; i++)
		CHECK(test_pfns(u, p + i * PAGE, 1)[0] & UHMM_PFN_ERROR);
	for (size_t i = 0; i < HALF; i += 7) {
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
		CHECK_EQ(test_write_raises(p + i * PAGE + 8), SIGBUS);
	}
}

int main(void)
{
	static uint8_t why[NPAGES];
	struct uhmm_device *dev, *other;
	uint32_t calls;
	struct uhmm *u;
	char *p, *q;

	test_catch(SIGBUS);
	u = test_open();
	dev = test_device_of(u, &ops, 2 * NPAGES);
	other = test_device_of(u, &other_ops, 2 * NPAGES);
	p = test_map(NPAGES);
	q = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	test_fill(q, NPAGES, 2);
	test_move(u, p, HALF, dev);
	test_move(u, q, NPAGES, other);
	calls = ops.in + ops.out;

	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(test_info(dev).lost, 1);
	CHECK_EQ(test_stats(u).poisoned, HALF);
	check_lost(u, p);
	for (size_t i = HALF; i < NPAGES; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS));
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENODEV);
	CHECK_EQ(uhmm_device_failed(dev, 0, 1), -ENODEV);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, NULL, why),
		 NPAGES - HALF);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i], i < HALF ? UHMM_WHY_POISONED : UHMM_WHY_OK);
	CHECK_EQ(ops.in + ops.out, calls);
	test_verify(q, NPAGES, 2);

	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_move(u, q, NPAGES, other);
	test_close(u); /* 0: what was lost is known */
	test_verify(q, NPAGES, 2);
	CHECK_EQ(uhmm_device_lost(NULL), -EINVAL);
	return 0;
}
