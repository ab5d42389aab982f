// SPDX-License-Identifier: MIT
/*
 * Pages are charged to their group and all above it, wherever they are and
 * go; a group with pages or groups below is not destroyed; mremap(2) takes the
 * group along, munmap(2) ends it.
 */
#include "../group.h"

#define NPAGES BLOCK_PAGES

static struct uhmm *u;

static void test_moves(void)
{
	struct uhmm_device *dev[2] = { test_device(u, "ram:8M"),
				       test_device(u, "ram:8M") };
	struct uhmm_group *a = test_group(u, NULL, "a");
	struct uhmm_group *b = test_group(u, a, "b");
	char *p = test_map_blocks(2);

	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_charge(u, p, BLOCK, b), 0);
	CHECK_EQ(uhmm_charge(u, p + BLOCK, BLOCK, a), 0);
	test_fill(p + BLOCK, NPAGES, 2);
	CHECK_PAGES(b, NULL, NPAGES);
	CHECK_PAGES(a, NULL, 2 * NPAGES);
	test_move(u, p, 100, dev[0]);
	test_move(u, p + 100 * PAGE, 100, dev[1]);
	CHECK_PAGES(b, dev[0], 100);
	CHECK_PAGES(b, dev[1], 100);
	CHECK_PAGES(a, dev[1], 100);
	CHECK_PAGES(uhmm_group_root(u), dev[1], 100);
	CHECK_PAGES(b, NULL, NPAGES - 200);
	CHECK_EQ(test_ask(a, NULL).all_pages, 2 * NPAGES);
	test_move(u, p, 100, dev[1]);
	CHECK_PAGES(b, dev[0], 0);
	CHECK_PAGES(b, dev[1], 200);
	test_verify(p, NPAGES, 1);
	test_verify(p + BLOCK, NPAGES, 2);
	CHECK_PAGES(b, NULL, NPAGES);

	CHECK_EQ(madvise(p, 10 * PAGE, MADV_DONTNEED), 0);
	CHECK_PAGES(b, NULL, NPAGES - 10);
	CHECK_EQ(uhmm_group_destroy(a), -EBUSY);
	CHECK_EQ(uhmm_group_destroy(b), -EBUSY);
	CHECK_EQ(uhmm_unregister(u, p, BLOCK), 0);
	CHECK_PAGES(b, NULL, 0);
	CHECK_EQ(uhmm_group_destroy(b), 0);
	CHECK_PAGES(a, NULL, NPAGES);
	CHECK_EQ(munmap(p + BLOCK, BLOCK), 0);
	CHECK_PAGES(a, NULL, 0);
	CHECK_EQ(uhmm_group_destroy(a), 0);
}

static void test_remap(void)
{
	struct uhmm_device *dev = test_device(u, "ram:8M");
	struct uhmm_group *g = test_group(u, NULL, "g");
	char *p = test_map_blocks(1), *to = test_map_blocks(1);

	CHECK_EQ(uhmm_charge(u, p, BLOCK, g), 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, 10, dev);
	CHECK_EQ(munmap(to, BLOCK), 0);
	CHECK(mremap(p, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_PAGES(g, dev, 10);
	CHECK_PAGES(g, NULL, NPAGES - 10);
	test_verify(to, NPAGES, 1);
	CHECK_PAGES(g, NULL, NPAGES);

	CHECK_EQ(munmap(to, BLOCK), 0);
	CHECK_PAGES(g, NULL, 0);
	/* what comes there later is nobody's */
	CHECK(mmap(to, BLOCK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == to);
	CHECK_EQ(uhmm_register(u, to, BLOCK), 0);
	test_fill(to, NPAGES, 2);
	CHECK_PAGES(g, NULL, 0);
	CHECK_EQ(uhmm_group_destroy(g), 0);
}

int main(void)
{
	u = test_open();
	test_moves();
	test_remap();
	test_close(u);
	return 0;
}
