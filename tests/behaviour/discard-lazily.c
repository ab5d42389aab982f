// SPDX-License-Identifier: MIT
/*
 * MADV_FREE of pages on a device and in RAM: each holds its old data or
 * zeroes, whole, and what is written afterwards stays, wherever it goes.
 */
#include "../context.h"

#define NPAGES 600

static void check_old_or_zero(const uint64_t *w, size_t page)
{
	bool zero = !w[0];

	for (size_t i = 0; i < PAGE_WORDS; i++)
		CHECK_EQ(w[i], zero ? 0 : test_word(1, page * PAGE_WORDS + i));
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES / 2, 1); /* half of it is home */
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_FREE), 0);
	for (size_t i = 0; i < NPAGES; i++)
		check_old_or_zero((uint64_t *)(p + i * PAGE), i);
	CHECK_SOON(test_info(dev).used == 0);
	test_fill(p, NPAGES, 2);
	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) > 0);
	test_verify(p, NPAGES, 2);
	test_close(u);
	return 0;
}
