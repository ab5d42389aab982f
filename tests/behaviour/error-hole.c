// SPDX-License-Identifier: MIT
/*
 * A range with an unmapped part is -ENOMEM from every call, wherever the part
 * is, and nothing of it moves or becomes managed or pinned.
 */
#include "../context.h"

#define NPAGES 1200

static uhmm_pfn_t pfns[NPAGES];

static void check_hole(struct uhmm *u, struct uhmm_device *dev, size_t first,
		       size_t n)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	CHECK_EQ(munmap(p + first * PAGE, n * PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENOMEM);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), -ENOMEM);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), -ENOMEM);
	CHECK_EQ(uhmm_pin(u, p, NPAGES * PAGE), -ENOMEM);
	CHECK_EQ(uhmm_snapshot(u, p, NPAGES * PAGE, pfns), -ENOMEM);
	CHECK_EQ(test_stats(u).to_device, 0);
	CHECK_EQ(test_info(dev).used, 0);
	for (size_t i = 0; i < NPAGES; i++)
		if (i < first || i >= first + n)
			CHECK_EQ(*(uint64_t *)(p + i * PAGE),
				 test_word(1, i * PAGE_WORDS));
	munmap(p, NPAGES * PAGE);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");

	check_hole(u, dev, 600, 1);
	check_hole(u, dev, 1, 1);
	check_hole(u, dev, NPAGES - 2, 1);
	check_hole(u, dev, 100, 800);
	test_close(u);
	return 0;
}
