// SPDX-License-Identifier: MIT
/*
 * A range of as many mappings as the kernel allows, every other page of it
 * read-only, migrates as one and comes home as one.
 */
#include "../context.h"

#define NPAGES (size_t)40000

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:192M");
	char *p = test_map(NPAGES);
	size_t i, ro = 0;

	for (i = 0; i < NPAGES; i++)
		*(uint64_t *)(p + i * PAGE) = test_word(1, i);
	for (i = 0; i < NPAGES; i += 2)
		ro += !mprotect(p + i * PAGE, PAGE, PROT_READ);
	CHECK(ro > 1000);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES / 2 * PAGE, NULL), NPAGES / 2);
	for (i = 0; i < NPAGES; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE), test_word(1, i));
	test_close(u);
	return 0;
}
