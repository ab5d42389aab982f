// SPDX-License-Identifier: MIT
/*
 * When uhmm_migrate() cannot read a device page, the page stays there, for
 * the reason "io-error", and nothing is lost: the next try brings it home.
 */
#include "../device.h"

#define NPAGES 700

static uint8_t why[NPAGES];
static struct test_ops ops;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 2 * NPAGES);
	char *p = test_map(NPAGES);
	size_t failed = 0;

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	ops.bad_out = uhmm_pfn_dpfn(test_pfns(u, p + 333 * PAGE, 1)[0]) + 1;
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, NULL, why), NPAGES - 1);
	for (size_t i = 0; i < NPAGES; i++)
		failed += why[i] == UHMM_WHY_IO;
	CHECK_EQ(failed, 1);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), 1);
	CHECK_EQ(test_stats(u).poisoned, 0);
	ops.bad_out = 0;
	test_verify(p, NPAGES, 1);

	test_move(u, p, NPAGES, dev);
	ops.fail_out = 2; /* less often than it is tried */
	test_move(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
