// SPDX-License-Identifier: MIT
/*
 * Pages that were never touched are allocated on the device as zeroes, without
 * a copy; touched ones keep their data.  The same for a range that nobody
 * touched at all, and for one read but never written.  Not where the system
 * makes huge pages by itself: there are no holes then.
 */
#include "../context.h"

#define NPAGES 1200

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:32M");
	char *p = test_map(NPAGES), *q = test_map(NPAGES);
	char *r = test_map(NPAGES);

	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_NOHUGEPAGE), 0);
	for (size_t i = 0; i < NPAGES; i += 3)
		test_fill(p + i * PAGE, 1, i);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES / 3);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_stats(u).to_device, NPAGES / 3);
	for (size_t i = 0; i < NPAGES; i++) {
		if (i % 3)
			test_verify_zero(p + i * PAGE, 1);
		else
			test_verify(p + i * PAGE, 1, i);
	}

	test_move(u, q, NPAGES, dev);
	CHECK_EQ(test_stats(u).to_device, NPAGES / 3);
	test_fill(q, NPAGES / 2, 9);
	test_move(u, q, NPAGES, NULL);
	test_verify(q, NPAGES / 2, 9);
	test_verify_zero(q + NPAGES / 2 * PAGE, NPAGES / 2);

	test_verify_zero(r, NPAGES); /* all of them are the zero page now */
	test_move(u, r, NPAGES, dev);
	test_verify_zero(r, NPAGES);
	test_fill(r, NPAGES, 4);
	test_verify(r, NPAGES, 4);
	test_close(u);
	return 0;
}
