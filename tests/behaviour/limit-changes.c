// SPDX-License-Identifier: MIT
/*
 * The limit on RAM can be set, lowered, raised and lifted while the memory is
 * in use; pages that were there before it are counted.
 */
#include "../context.h"

#define MIB    ((size_t)1 << 20)
#define NPAGES (32 * MIB / PAGE)

int main(void)
{
	struct uhmm *u = test_open();
	char *p = test_map(NPAGES);
	uint64_t evicted;

	test_device(u, "ram:64M");
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(test_stats(u).evicted, 0);

	CHECK_EQ(uhmm_set_ram_limit(u, 16 * MIB), 0);
	CHECK_SOON(test_stats(u).ram_pages <= 16 * MIB / PAGE);
	CHECK(test_stats(u).device_pages >= 16 * MIB / PAGE);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_set_ram_limit(u, 8 * MIB), 0);
	CHECK_SOON(test_stats(u).ram_pages <= 8 * MIB / PAGE);
	test_verify(p, NPAGES, 1);

	CHECK_EQ(uhmm_set_ram_limit(u, 0), 0);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
	evicted = test_stats(u).evicted;
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_stats(u).evicted, evicted);
	CHECK_EQ(test_stats(u).device_pages, 0);

	CHECK_EQ(uhmm_set_ram_limit(u, 24 * MIB), 0);
	CHECK_SOON(test_stats(u).ram_pages <= 24 * MIB / PAGE);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
