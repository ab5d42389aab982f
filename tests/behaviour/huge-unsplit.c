// SPDX-License-Identifier: MIT
/*
 * To move whole huge pages splits none of them, on any rung: not to find out
 * whether their mapping is locked, either.
 */
#include "../huge.h"

#define NBLOCKS 8
#define NPAGES	(NBLOCKS * BLOCK_PAGES)
#define ROUNDS	10

/* Of the whole system, since it was started. */
static uint64_t nr_split(void)
{
	static const char name[] = "thp_split_page ";
	FILE *f = fopen("/proc/vmstat", "re");
	uint64_t n = UINT64_MAX;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, sizeof(name) - 1))
			n = strtoull(line + sizeof(name) - 1, NULL, 10);
	if (f)
		fclose(f);
	if (n == UINT64_MAX)
		test_skip("/proc/vmstat does not count split huge pages");
	return n;
}

/* Others may split theirs meanwhile, but not each time. */
int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:32M");
	uint64_t least = UINT64_MAX;

	for (int i = 0; least && i < ROUNDS; i++) {
		char *p = test_map_huge(NBLOCKS, 1);
		uint64_t before = nr_split(), now;

		test_move(u, p, NPAGES, dev);
		now = nr_split() - before;
		least = now < least ? now : least;
		test_verify(p, NPAGES, 1);
		CHECK_EQ(munmap(p, NBLOCKS * BLOCK), 0);
	}
	CHECK_EQ(least, 0);
	test_close(u);
	return 0;
}
