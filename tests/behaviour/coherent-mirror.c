// SPDX-License-Identifier: MIT
/*
 * A device's page table has its own coherent pages by dpfn, another's by their
 * address, where it reads what the CPU writes; it is told before they move.
 */
#include "../mirror.h"

#define NPAGES 16

static struct uhmm *u;
static struct test_table own, other;
static struct uhmm_device *dev;
static char *p;

static void check_entries(void)
{
	test_fault(&own, p, NPAGES, UHMM_FAULT_WRITE);
	test_fault(&other, p, NPAGES, UHMM_FAULT_WRITE);
	for (size_t i = 0; i < NPAGES; i++) {
		uhmm_pfn_t mine = test_entry(&own, p + i * PAGE);
		uhmm_pfn_t its = test_entry(&other, p + i * PAGE);

		CHECK_EQ(uhmm_pfn_device(mine), test_info(dev).id);
		CHECK(mine & UHMM_PFN_VALID && mine & UHMM_PFN_WRITE);
		CHECK_EQ(uhmm_pfn_device(its), 0);
		CHECK(uhmm_pfn_addr(its) == p + i * PAGE);
	}
	/* for neither of them a page had to move */
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
}

static void check_told(void)
{
	unsigned before = own.told[UHMM_NOTIFY_MIGRATE];

	test_move(u, p, NPAGES, NULL);
	CHECK(own.told[UHMM_NOTIFY_MIGRATE] > before);
	CHECK_EQ(test_entries(&own, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(test_entries(&other, p, NPAGES, UHMM_PFN_VALID), 0);
	test_verify(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
}

/* One's own alone it can only be in RAM. */
static void check_exclusive(void)
{
	test_fault(&other, p, 1, UHMM_FAULT_EXCLUSIVE);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 1);
	CHECK_EQ(*(uint64_t *)uhmm_pfn_addr(test_entry(&other, p)),
		 test_word(1, 0));
	test_verify(p, NPAGES, 1);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "dax:4M");
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_mirror(u, &own, p, dev);
	test_mirror(u, &other, p, NULL);
	check_entries();
	check_told();
	check_entries();
	check_exclusive();
	CHECK_EQ(uhmm_mirror_remove(own.mirror), 0);
	CHECK_EQ(uhmm_mirror_remove(other.mirror), 0);
	test_close(u);
	return 0;
}
