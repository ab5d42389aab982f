// SPDX-License-Identifier: MIT
/*
 * A device faults pages in: untouched ones become readable, or writable when it
 * wants to write; those on its own memory stay there; those on another device
 * come home.  A snapshot tells the same and changes nothing.
 */
#include "../mirror.h"

#define NPAGES 700

static struct test_table t, t2;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	struct uhmm_device *other = test_device(u, "ram:16M");
	char *p = test_map_blocks(2);
	uhmm_pfn_t pfns[NPAGES];
	unsigned id = test_info(dev).id;

	test_mirror(u, &t, p, dev);
	test_mirror(u, &t2, p, other);
	CHECK_EQ(uhmm_mirror_snapshot(t.mirror, p, NPAGES * PAGE, pfns), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(pfns[i], 0);

	test_fault(&t, p, NPAGES, 0);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), NPAGES);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(uhmm_pfn_addr(test_entry(&t, p + i * PAGE)) ==
		      p + i * PAGE);
	test_verify_zero(p, NPAGES);

	test_fault(&t, p, NPAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_WRITE), NPAGES);
	test_fill(p, NPAGES, 1);

	/* on its own memory: what was RAM is told to be forgotten, and found */
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK(t.told[UHMM_NOTIFY_MIGRATE] > 0);
	test_fault(&t, p, NPAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_WRITE), NPAGES);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	CHECK_EQ(uhmm_mirror_snapshot(t.mirror, p, NPAGES * PAGE, pfns), 0);
	for (size_t i = 0; i < NPAGES; i++) {
		CHECK_EQ(uhmm_pfn_device(pfns[i]), id);
		CHECK_EQ(pfns[i], test_entry(&t, p + i * PAGE));
	}

	/* the other device sees nothing in a snapshot, and brings it home */
	CHECK_EQ(uhmm_mirror_snapshot(t2.mirror, p, NPAGES * PAGE, pfns), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(pfns[i], 0);
	test_fault(&t2, p, 10, UHMM_FAULT_PRESENT);
	CHECK_EQ(test_entries(&t2, p, 10, UHMM_PFN_VALID), 0);
	test_fault(&t2, p + 5 * PAGE, 10, 0);
	CHECK_EQ(test_entries(&t2, p + 5 * PAGE, 10, UHMM_PFN_VALID), 10);
	CHECK_EQ(test_count_on(u, p + 5 * PAGE, 10, NULL), 10);
	CHECK_EQ(test_entries(&t, p + 5 * PAGE, 10, UHMM_PFN_VALID), 0);
	CHECK_EQ(test_entries(&t, p + 100 * PAGE, 500, UHMM_PFN_VALID), 500);
	test_verify(p, NPAGES, 1);
	test_close(u);
	CHECK_EQ(t.told[UHMM_NOTIFY_RELEASE], 1);
	return 0;
}
