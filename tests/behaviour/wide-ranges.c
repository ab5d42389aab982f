// SPDX-License-Identifier: MIT
/*
 * Calls on a range of any width cost what is managed in it: they end soon, and
 * take no memory for the rest.
 */
#include <uhmm/alloc.h>
#include <uhmm/mirror.h>

#include "../context.h"

#define WIDE	(((size_t)1 << 47) - BLOCK)
#define RESERVE ((size_t)1 << 36)
#define NPAGES	(2 * BLOCK_PAGES)

static struct uhmm *u;
static struct uhmm_device *dev;

/* Bytes of memory that this process has. */
static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t all, pages;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%zu %zu", &all, &pages), 2);
	fclose(f);
	return pages * PAGE;
}

static char *away(void)
{
	char *p = test_map_blocks(2);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	return p;
}

static void all_there_is(void)
{
	char *p = away();
	size_t before = resident();

	CHECK_EQ(uhmm_range_pages(u, NULL, WIDE, dev), NPAGES);
	CHECK_EQ(uhmm_device_accessed(dev, NULL, WIDE, 1), 0);
	CHECK_EQ(uhmm_unregister(u, NULL, WIDE), 0);
	CHECK(resident() < before + NPAGES * PAGE + BLOCK);
	CHECK_EQ(uhmm_range_pages(u, NULL, WIDE, NULL), 0);
	test_verify(p, NPAGES, 1);
	munmap(p, 2 * BLOCK);
}

/* From the inside of a range that goes on at both ends, and pins beside. */
static void a_part(void)
{
	char *p = away();

	CHECK_EQ(uhmm_pin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_unregister(u, NULL, WIDE), -EBUSY);
	CHECK_EQ(uhmm_unregister(u, p + PAGE, BLOCK), 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), BLOCK_PAGES - 1);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), 0);
	CHECK_EQ(uhmm_unregister(u, NULL, WIDE), 0);
	test_verify(p, NPAGES, 1);
	munmap(p, 2 * BLOCK);
}

/* Managed, and nothing has ever moved there. */
static void never_used(void)
{
	char *p = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(uhmm_register(u, p, RESERVE), 0);
	before = resident();
	CHECK_EQ(uhmm_unregister(u, p, RESERVE), 0);
	CHECK(resident() < before + BLOCK);
	test_fill(p, NPAGES, 2);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(test_stats(u).faults, 0);
	munmap(p, RESERVE);
}

/* Mapped, and none of ours. */
static void never_managed(void)
{
	void *p = mmap(NULL, WIDE / 16, PROT_READ,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return; /* so much is not to be had here */
	CHECK_EQ(uhmm_migrate(u, p, WIDE / 16, dev), -EOPNOTSUPP);
	CHECK_EQ(uhmm_prefer(u, p, WIDE / 16, dev), 0);
	munmap(p, WIDE / 16);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "ram:16M");
	never_used();
	all_there_is();
	a_part();
	never_managed();
	test_close(u);
	return 0;
}
