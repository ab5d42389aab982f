// SPDX-License-Identifier: MIT
/*
 * Every other page of a large mapping is managed, one by one, until the kernel
 * has no more mappings to give: -ENOMEM, and nothing is lost.  What was
 * managed still moves, and after all of it is forgotten there is room again.
 */
#include "../context.h"

#define NPAGES (size_t)70000
#define STEP   (size_t)16

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:64M");
	char *p = test_map(NPAGES);
	size_t i, n;
	int err = 0;

	for (i = 0; i < NPAGES; i += STEP)
		*(uint64_t *)(p + i * PAGE) = test_word(1, i);
	for (i = 0; i < NPAGES && !err; i += 2)
		err = uhmm_register(u, p + i * PAGE, PAGE);
	if (!err)
		test_skip("this kernel has mappings without end");
	CHECK_EQ(err, -ENOMEM);
	n = i - 2; /* the first that failed */
	CHECK(n > 1000);
	CHECK_EQ(uhmm_migrate(u, p + (n / STEP - 1) * STEP * PAGE, PAGE, dev),
		 1);
	CHECK_EQ(uhmm_migrate(u, p, PAGE, dev), 1);
	for (i = 0; i < NPAGES; i += STEP)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE), test_word(1, i));
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_register(u, p + n * PAGE, PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, 5000 * PAGE, dev), 5000);
	for (i = 0; i < NPAGES; i += STEP)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE), test_word(1, i));
	test_close(u);
	return 0;
}
