// SPDX-License-Identifier: MIT
/*
 * Without a device, or with one that is full, the limit on RAM is passed: it
 * is counted, nothing hangs or fails, and the data are intact.  A device added
 * later takes what is too much.
 */
#include "../context.h"

#define LIMIT  ((size_t)8 << 20)
#define NPAGES (2 * LIMIT / PAGE)

int main(void)
{
	struct uhmm *u;
	char *p;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	p = test_map(NPAGES);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	test_verify(p, NPAGES, 1);
	CHECK(test_stats(u).ram_pages >= NPAGES);
	CHECK(test_stats(u).limit_exceeded > 0);

	test_device(u, "ram:1M");
	CHECK_SOON(test_stats(u).device_pages == 256);
	test_verify(p, NPAGES, 1);
	test_device(u, "zram:64M");
	CHECK_SOON(test_stats(u).ram_pages * PAGE <= LIMIT);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
