// SPDX-License-Identifier: MIT
/*
 * Ranges that begin and end in the middle of blocks, or lie within one, move
 * exactly their own pages.
 */
#include "../context.h"

#define NPAGES (4 * BLOCK_PAGES)

static void check_range(struct uhmm *u, struct uhmm_device *dev, char *p,
			size_t first, size_t last)
{
	const uhmm_pfn_t *pfns;

	CHECK_EQ(uhmm_migrate(u, p + first * PAGE, (last - first) * PAGE, dev),
		 last - first);
	pfns = test_pfns(u, p, NPAGES);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(uhmm_pfn_device(pfns[i]) != 0, i >= first && i < last);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
	test_verify(p, NPAGES, 1);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_blocks(4);

	test_fill(p, NPAGES, 1);
	check_range(u, dev, p, 0, 1);
	check_range(u, dev, p, NPAGES - 1, NPAGES);
	check_range(u, dev, p, BLOCK_PAGES - 1, BLOCK_PAGES + 1);
	check_range(u, dev, p, 100, 2 * BLOCK_PAGES);
	check_range(u, dev, p, BLOCK_PAGES, 3 * BLOCK_PAGES - 1);
	check_range(u, dev, p, 63, 65);
	check_range(u, dev, p, 1, NPAGES - 1);
	test_close(u);
	return 0;
}
