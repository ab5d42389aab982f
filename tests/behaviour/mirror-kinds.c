// SPDX-License-Identifier: MIT
/*
 * Mirroring is wider than migrating: shared and file-backed memory, and huge
 * pages of either kind.  A device that may write sees WRITE; a private page of
 * a file is only readable until it is written to; a huge page has its order.
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
	test_close(u);
	return 0;
}
