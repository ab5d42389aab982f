// SPDX-License-Identifier: MIT
/*
 * Memory that is unmapped or discarded no longer counts towards the limit on
 * RAM: a program that uses and gives back, again and again, is not demoted.
 */
#include "../context.h"

#define LIMIT ((size_t)16 << 20)
#define PART  (LIMIT / 2 / PAGE)

int main(void)
{
	struct uhmm *u;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	test_device(u, "ram:64M");
	for (int round = 0; round < 8; round++) {
		char *p = test_map(PART);

		CHECK_EQ(uhmm_register(u, p, PART * PAGE), 0);
		test_fill(p, PART, (uint64_t)round);
		test_verify(p, PART, (uint64_t)round);
		if (round % 2)
			CHECK_EQ(madvise(p, PART * PAGE, MADV_DONTNEED), 0);
		CHECK_EQ(munmap(p, PART * PAGE), 0);
		CHECK_SOON(test_stats(u).ram_pages <
			   PART / 4 + test_stats(u).pool_pages);
	}
	CHECK_EQ(test_stats(u).evicted, 0);
	test_close(u);
	return 0;
}
