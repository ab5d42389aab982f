// SPDX-License-Identifier: MIT
/*
 * Memory that was freed by MADV_FREE and is used again is memory like any
 * other: it moves, is pinned, is one device's alone, counts, and is evicted.
 */
#include "../mirror.h"

#define NPAGES 1024

static struct uhmm *u;
static struct uhmm_device *dev;

/*
 * Pages of which we know something, freed and filled again.  madvise(2) may
 * return before its event was applied; each call on a range waits for that.
 */
static char *used_again(void)
{
	char *p = test_map_blocks(2);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_FREE), 0);
	CHECK(uhmm_range_pages(u, p, NPAGES * PAGE, NULL) >= 0);
	test_fill(p, NPAGES, 2);
	return p;
}

static void moves(void)
{
	char *p = used_again();

	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES);
	test_verify(p, NPAGES, 2);
	munmap(p, 2 * BLOCK);
}

static void is_pinned(void)
{
	char *p = used_again();

	CHECK_EQ(uhmm_pin(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), 0);
	CHECK_EQ(uhmm_unpin(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), NPAGES);
	test_verify(p, NPAGES, 2);
	munmap(p, 2 * BLOCK);
}

static void is_exclusive(void)
{
	char *p = used_again();
	struct test_table t;

	test_mirror(u, &t, p, dev);
	test_fault(&t, p, 16, UHMM_FAULT_EXCLUSIVE);
	CHECK_EQ(test_entries(&t, p, 16, UHMM_PFN_WRITE), 16);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	munmap(p, 2 * BLOCK);
}

/* Pages at their addresses, as the kernel sees it. */
static size_t resident(char *p)
{
	unsigned char there[NPAGES];
	size_t n = 0;

	CHECK_EQ(mincore(p, NPAGES * PAGE, there), 0);
	for (size_t i = 0; i < NPAGES; i++)
		n += there[i] & 1;
	return n;
}

/* The limit comes first, and nothing but the freed memory is above it. */
static void is_limited(void)
{
	char *p;

	CHECK_EQ(uhmm_set_ram_limit(u, 4 * BLOCK), 0);
	p = used_again();
	CHECK_SOON(test_stats(u).ram_pages >= NPAGES);
	CHECK_EQ(uhmm_set_ram_limit(u, BLOCK), 0);
	CHECK_SOON(test_stats(u).ram_pages <= BLOCK_PAGES);
	CHECK(resident(p) <= BLOCK_PAGES);
	test_verify(p, NPAGES, 2);
	munmap(p, 2 * BLOCK);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	moves();
	is_pinned();
	is_exclusive();
	is_limited();
	test_close(u);
	return 0;
}
