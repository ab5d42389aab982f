// SPDX-License-Identifier: MIT
/*
 * Memory from malloc(3) goes to a device and back: its pages are there after
 * the call, the CPU reads what it wrote, writes stay, and so do the chunks
 * around it.
 */
#include "../context.h"

#define NPAGES 700

static char *round_up(char *p)
{
	return (char *)(((uintptr_t)p + PAGE - 1) & ~(PAGE - 1));
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *before = malloc(100), *chunk = malloc((NPAGES + 1) * PAGE);
	char *after = malloc(100), *p = round_up(chunk);

	CHECK(before && chunk && after);
	memset(before, 'b', 100);
	memset(after, 'a', 100);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES);

	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), 0);

	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_fill(p, NPAGES, 3); /* without reading first */
	test_verify(p, NPAGES, 3);
	test_move(u, p, NPAGES, dev);
	test_move(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 3);
	CHECK_SOON(test_info(dev).used == 0);
	for (int i = 0; i < 100; i++)
		CHECK(before[i] == 'b' && after[i] == 'a');
	free(chunk);
	free(before);
	free(after);
	test_close(u);
	return 0;
}
