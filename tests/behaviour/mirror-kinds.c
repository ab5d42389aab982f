// SPDX-License-Identifier: MIT
/*
 * Mirroring is wider than migrating: shared and file-backed memory, and huge
 * pages of either kind.  A device that may write sees WRITE; a private page of
 * a file is only readable until it is written to; a huge page has its order,
 * and so has a block that is on a device in one piece.
 */
#include <fcntl.h>

#include "../mirror.h"

static struct test_table t;
static struct uhmm *u;

static char *map(size_t len, int flags, int fd)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void check(char *p, size_t npages)
{
	test_mirror(u, &t, p, NULL);
	test_fault(&t, p, npages, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, npages, UHMM_PFN_VALID | UHMM_PFN_WRITE),
		 npages);
	test_fill(p, npages, 1);
	test_verify(p, npages, 1);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
}

static void check_private_file(int fd)
{
	char *p = map(4 * PAGE, MAP_PRIVATE, fd);

	test_mirror(u, &t, p, NULL);
	test_fault(&t, p, 4, 0);
	CHECK_EQ(test_entries(&t, p, 4, UHMM_PFN_VALID), 4);
	CHECK_EQ(test_entries(&t, p, 4, UHMM_PFN_WRITE), 0);
	test_fault(&t, p, 2, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, 4, UHMM_PFN_WRITE), 2);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	munmap(p, 4 * PAGE);
}

static void check_huge(void)
{
	char *p = test_map_blocks(1);

	madvise(p, BLOCK, MADV_HUGEPAGE);
	test_fill(p, 1, 1);
	test_mirror(u, &t, p, NULL);
	test_fault(&t, p, BLOCK_PAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, BLOCK_PAGES, UHMM_PFN_WRITE), BLOCK_PAGES);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
}

static void check_hugetlb(void)
{
	char *p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		return;
	test_mirror(u, &t, p, NULL);
	test_fault(&t, p, BLOCK_PAGES, UHMM_FAULT_WRITE);
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		CHECK_EQ(uhmm_pfn_order(test_entry(&t, p + i * PAGE)), 9);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	munmap(p, BLOCK);
}

static unsigned count_huge(const uhmm_pfn_t *pfns)
{
	unsigned n = 0;

	for (size_t i = 0; i < BLOCK_PAGES; i++)
		n += uhmm_pfn_order(pfns[i]) == 9;
	return n;
}

/* A block that lies on the device in one aligned run, until a page is home. */
static void check_huge_away(void)
{
	struct uhmm_device *dev = test_device(u, "ram:8M");
	uhmm_pfn_t pfns[MAX_BLOCK_PAGES];
	char *p = test_map_blocks(1);

	test_fill(p, BLOCK_PAGES, 1);
	test_mirror(u, &t, p, dev);
	test_move(u, p, BLOCK_PAGES, dev);
	test_fault(&t, p, BLOCK_PAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(count_huge(t.pfn), BLOCK_PAGES);
	CHECK_EQ(uhmm_mirror_snapshot(t.mirror, p, BLOCK, pfns), 0);
	CHECK_EQ(count_huge(pfns), BLOCK_PAGES);
	CHECK_EQ(uhmm_mirror_snapshot(t.mirror, p, BLOCK - PAGE, pfns), 0);
	CHECK_EQ(uhmm_pfn_order(pfns[0]), 0);
	test_verify(p, 1, 1);
	CHECK_EQ(uhmm_mirror_snapshot(t.mirror, p, BLOCK, pfns), 0);
	CHECK_EQ(count_huge(pfns), 0);
	test_verify(p, BLOCK_PAGES, 1);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	munmap(p, BLOCK);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

int main(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	u = test_open();
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 16 * PAGE), 0);
	check(map(600 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1), 600);
	check(map(600 * PAGE, MAP_SHARED | MAP_ANONYMOUS, -1), 600);
	check(map(16 * PAGE, MAP_SHARED, fd), 16);
	check_private_file(fd);
	check_huge();
	check_hugetlb();
	check_huge_away();
	test_close(u);
	return 0;
}
