/* SPDX-License-Identifier: MIT */
/* huge.h - memory in huge pages, and whether it still is. */
#ifndef UHMM_TEST_HUGE_H
#define UHMM_TEST_HUGE_H

#include "context.h"

/* Bytes of the mappings in [p, p + len) that are huge pages. */
static inline size_t test_huge_bytes(const void *p, size_t len)
{
	unsigned long start = (unsigned long)p, end = start + len;
	unsigned long s = 0, e = 0, kib;
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	size_t sum = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long s2, e2;

		if (sscanf(line, "%lx-%lx ", &s2, &e2) == 2) {
			s = s2;
			e = e2;
		} else if (s < end && e > start &&
			   sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) {
			sum += kib << 10;
		}
	}
	fclose(f);
	return sum;
}

/* @nblocks huge pages with a pattern; skips the test where there are none. */
static inline void *test_map_huge(size_t nblocks, uint64_t seed)
{
	void *p = test_map_blocks(nblocks);

	if (madvise(p, nblocks * BLOCK, MADV_HUGEPAGE))
		test_skip("no huge pages");
	test_fill(p, nblocks * BLOCK_PAGES, seed);
	if (test_huge_bytes(p, nblocks * BLOCK) != nblocks * BLOCK)
		test_skip("the kernel gives no huge pages");
	return p;
}

#endif
