// SPDX-License-Identifier: MIT
/*
 * munmap(2) frees the device pages of what it unmaps, all or a part; what is
 * mapped there next is zero and can be managed again.
 */
#include "../context.h"

#define NPAGES 1100

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *mid = p + 200 * PAGE;

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(munmap(mid, 700 * PAGE), 0);
	CHECK_SOON(test_info(dev).used == NPAGES - 700);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENOMEM);
	CHECK(mmap(mid, 700 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mid);
	test_verify_zero(mid, 700);
	test_fill(mid, 700, 2);
	test_move(u, p, NPAGES, dev);
	test_verify(mid, 700, 2);
	test_verify(p, 200, 1);
	CHECK_EQ(((uint64_t *)p)[900 * PAGE_WORDS],
		 test_word(1, 900 * PAGE_WORDS));
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_SOON(test_info(dev).used == 0);
	CHECK_EQ(test_stats(u).device_pages, 0);

	for (int i = 0; i < 200; i++) { /* the same address, again and again */
		char *q = mmap(p, 4 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		CHECK(q == p);
		CHECK_EQ(q[0], 0);
		test_fill(q, 4, (uint64_t)i);
		test_move(u, q, 4, dev);
		test_verify(q, 2, (uint64_t)i);
	}
	test_close(u);
	return 0;
}
