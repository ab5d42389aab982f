// SPDX-License-Identifier: MIT
/*
 * Pins bring pages home, nest page by page, and hold until the last is undone;
 * undoing one that is not there is -EINVAL and undoes nothing.
 */
#include "../context.h"

#define NPAGES 600

static void check_pinned(struct uhmm *u, char *p, size_t first, size_t last)
{
	const uhmm_pfn_t *pfns = test_pfns(u, p, NPAGES);

	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(!!(pfns[i] & UHMM_PFN_PINNED), i >= first && i < last);
}

/* Unmapped pages have lost their pins; the rest's can be given back. */
static void unmap_pinned(struct uhmm *u, size_t first, size_t npages)
{
	char *p = test_map_blocks(2);

	CHECK_EQ(uhmm_pin(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(munmap(p + first * PAGE, npages * PAGE), 0);
	CHECK_EQ(uhmm_unpin(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_unpin(u, p, NPAGES * PAGE), -EINVAL);
	CHECK_EQ(uhmm_unpin(u, p + first * PAGE, npages * PAGE), -EINVAL);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(munmap(p, 2 * BLOCK), 0);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_blocks(2);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_pin(u, p + 500 * PAGE, 20 * PAGE), 0);
	CHECK_EQ(test_count_on(u, p + 500 * PAGE, 20, NULL), 20);
	check_pinned(u, p, 500, 520);
	CHECK_EQ(uhmm_pin(u, p + 510 * PAGE, 20 * PAGE), 0);
	check_pinned(u, p, 500, 530);
	CHECK_EQ(uhmm_unpin(u, p + 500 * PAGE, 30 * PAGE), 0);
	check_pinned(u, p, 510, 520);
	CHECK_EQ(uhmm_unpin(u, p + 500 * PAGE, 20 * PAGE), -EINVAL);
	check_pinned(u, p, 510, 520);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES - 10);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), -EBUSY);
	CHECK_EQ(uhmm_unpin(u, p + 510 * PAGE, 10 * PAGE), 0);
	check_pinned(u, p, 0, 0);
	CHECK_EQ(uhmm_unpin(u, p + 510 * PAGE, 10 * PAGE), -EINVAL);
	CHECK_EQ(uhmm_unpin(u, p + BLOCK, PAGE), -EINVAL);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);

	for (int i = 0; i < 65535; i++)
		CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_pin(u, p, 2 * PAGE), -EOVERFLOW);
	for (int i = 0; i < 65535; i++)
		CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), -EINVAL);
	check_pinned(u, p, 0, 0);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_unregister(u, p, NPAGES * PAGE), 0);
	test_verify(p, NPAGES, 1);
	unmap_pinned(u, 100, 10);
	unmap_pinned(u, 0, BLOCK / PAGE);
	test_close(u);
	return 0;
}
