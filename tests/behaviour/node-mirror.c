// SPDX-License-Identifier: MIT
/*
 * Mirrors of pages on a NUMA node: every device finds them at their address,
 * the node's own with its number; each is told when they go and when they
 * come; exclusive access and pins bring them home first.
 */
#include "../mirror.h"
#include "../node.h"

#define NPAGES 300

static struct test_table mine, theirs;

static void check(struct test_table *t, char *p, unsigned id)
{
	for (size_t i = 0; i < NPAGES; i++) {
		uhmm_pfn_t pfn = t->pfn[i];

		CHECK(pfn & UHMM_PFN_VALID && pfn & UHMM_PFN_WRITE);
		CHECK_EQ(uhmm_pfn_device(pfn), id);
		CHECK_EQ((pfn << 12) & 0x7ffffffff000, (uintptr_t)p + i * PAGE);
	}
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_node_device(u, "64M");
	struct uhmm_device *ram = test_device(u, "ram:4M");
	char *p = test_map_blocks(1);
	unsigned told;

	test_fill(p, NPAGES, 1);
	test_mirror(u, &mine, p, dev);
	test_mirror(u, &theirs, p, ram);
	test_fault(&mine, p, NPAGES, UHMM_FAULT_WRITE);
	check(&mine, p, 0);

	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_entries(&mine, p, NPAGES, UHMM_PFN_VALID), 0);
	told = mine.told[UHMM_NOTIFY_MIGRATE];
	CHECK(told > 0);
	test_fault(&mine, p, NPAGES, UHMM_FAULT_WRITE);
	test_fault(&theirs, p, NPAGES, UHMM_FAULT_WRITE);
	check(&mine, p, test_info(dev).id);
	check(&theirs, p, 0);
	test_all_on(u, p, NPAGES, dev);

	test_move(u, p, NPAGES, NULL);
	CHECK(mine.told[UHMM_NOTIFY_MIGRATE] > told);
	CHECK_EQ(test_entries(&mine, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(test_entries(&theirs, p, NPAGES, UHMM_PFN_VALID), 0);

	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_mirror_fault(theirs.mirror, p, 10 * PAGE,
				   UHMM_FAULT_EXCLUSIVE | UHMM_FAULT_WRITE),
		 0);
	CHECK_EQ(test_info(dev).used, NPAGES - 10);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_mirror_remove(mine.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(theirs.mirror), 0);
	test_close(u);
	return 0;
}
