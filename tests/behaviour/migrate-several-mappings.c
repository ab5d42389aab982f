// SPDX-License-Identifier: MIT
/*
 * One call spans mappings that may be written, only read and not be touched at
 * all: every page moves both ways, with its data, and what each mapping
 * allows stays the same.
 */
#include "../context.h"

#define PART   200
#define NPAGES (4 * PART)

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
	CHECK_EQ(mprotect(p + PART * PAGE, PART * PAGE, PROT_READ), 0);
	CHECK_EQ(mprotect(p + 2 * PART * PAGE, PART * PAGE, PROT_NONE), 0);

	for (int round = 0; round < 2; round++) {
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(test_read_raises(p + 2 * PART * PAGE), SIGSEGV);
		CHECK_EQ(test_write_raises(p + PART * PAGE), SIGSEGV);
		if (round)
			test_move(u, p, NPAGES, NULL);
		test_verify(p, 2 * PART, 1);
		CHECK_EQ(test_read_raises(p + 2 * PART * PAGE), SIGSEGV);
		CHECK_EQ(test_write_raises(p + PART * PAGE), SIGSEGV);
	}
	CHECK_EQ(mprotect(p, NPAGES * PAGE, PROT_READ | PROT_WRITE), 0);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
