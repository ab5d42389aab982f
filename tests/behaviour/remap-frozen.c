// SPDX-License-Identifier: MIT
/*
 * mremap(2) and partial munmap(2) of memory under a limit.  Some of its pages
 * are in RAM, some wait in frames and some are on a device: all data are at the
 * new address.
 */
#include "../context.h"

#define LIMIT  ((size_t)8 << 20)
#define NPAGES (LIMIT / PAGE * 2)

int main(void)
{
	struct uhmm *u;
	char *p, *to;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	test_device(u, "ram:64M");
	p = test_map_blocks(2 * LIMIT / BLOCK);
	to = test_map_blocks(2 * LIMIT / BLOCK + 1);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	test_fill(p, NPAGES, 1);
	for (int round = 0; round < 6; round++) {
		size_t off = round % 2 ? 0 : 5 * PAGE;
		char *at = to + off;

		CHECK(mremap(p, NPAGES * PAGE, NPAGES * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
		test_verify(at, NPAGES, 1);
		CHECK(mmap(p, NPAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0) == p);
		CHECK(mremap(at, NPAGES * PAGE, NPAGES * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	}
	CHECK(test_stats(u).evicted > 0);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
