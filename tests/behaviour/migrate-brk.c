// SPDX-License-Identifier: MIT
/*
 * The brk heap goes to a device and back, also after it has grown and after
 * its end has been given back.
 */
#include "../context.h"

#define NPAGES 300

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	uintptr_t top = (uintptr_t)sbrk(0);
	char *p;

	CHECK(sbrk((intptr_t)(-top & (PAGE - 1))) != (void *)-1);
	p = sbrk(NPAGES * PAGE);
	CHECK(p != (void *)-1);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);

	CHECK(sbrk(NPAGES * PAGE) == p + NPAGES * PAGE);
	test_fill(p + NPAGES * PAGE, NPAGES, 2);
	test_move(u, p, 2 * NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_verify(p + NPAGES * PAGE, NPAGES, 2);

	test_move(u, p, 2 * NPAGES, dev);
	CHECK(sbrk(-(intptr_t)(NPAGES * PAGE)) == p + 2 * NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == NPAGES);
	test_verify(p, NPAGES, 1);
	CHECK_SOON(test_info(dev).used == 0);
	test_close(u);
	return 0;
}
