// SPDX-License-Identifier: MIT
/*
 * A read-only mapping migrates both ways: a read brings a page home, a write
 * is SIGSEGV as ever, wherever the page is.
 */
#include "../context.h"

#define NPAGES 1000

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p;

	test_catch(SIGSEGV);
	u = test_open();
	dev = test_device(u, "ram:16M");
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(mprotect(p, NPAGES * PAGE, PROT_READ), 0);

	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_write_raises(p), SIGSEGV);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_write_raises(p), SIGSEGV);
	test_move(u, p, NPAGES, dev);
	test_move(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_write_raises(p + PAGE), SIGSEGV);

	test_move(u, p, NPAGES, dev);
	CHECK_EQ(mprotect(p, NPAGES * PAGE, PROT_READ | PROT_WRITE), 0);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	test_close(u);
	return 0;
}
