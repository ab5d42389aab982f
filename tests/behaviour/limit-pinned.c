// SPDX-License-Identifier: MIT
/*
 * All pages within the limit on RAM are pinned, so that none can leave.  Each
 * touch of another page waits for one vain look of the demoter at most, and
 * once a page can leave, touches wait for it.
 */
#include "../context.h"

#define LIMIT  ((size_t)4 << 20)
#define INSIDE (LIMIT / PAGE)
#define NPAGES (8 * INSIDE)
#define BEYOND 512
#define ROUNDS 8

/* Other pages leave again soon after each touch, but not before its end. */
static void use_others(char *p)
{
	test_fill(p, BEYOND, 1);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < BEYOND; i++)
			++*(volatile uint64_t *)(p + i * PAGE);
	for (size_t i = 0; i < BEYOND; i++)
		CHECK_EQ(*(volatile uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS) + ROUNDS);
}

int main(void)
{
	uint64_t before;
	struct uhmm *u;
	char *p;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT });
	test_device(u, "ram:64M");
	p = test_map_blocks(NPAGES * PAGE / BLOCK);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	for (size_t i = 0; i < INSIDE + BEYOND; i++) {
		p[i * PAGE] = 1;
		CHECK_EQ(uhmm_pin(u, p + i * PAGE, PAGE), 0);
	}
	CHECK(test_stats(u).limit_exceeded > 0);
	CHECK(test_stats(u).limit_waits <= 2 * BEYOND);
	CHECK_EQ(test_count_on(u, p, INSIDE + BEYOND, NULL), INSIDE + BEYOND);
	use_others(p + (INSIDE + BEYOND) * PAGE);
	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT / 2), 0);
	use_others(p + (INSIDE + BEYOND) * PAGE);
	CHECK(test_stats(u).limit_waits <= 2 * ROUNDS * BEYOND);
	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT), 0);
	CHECK_EQ(uhmm_unpin(u, p, (INSIDE + BEYOND) * PAGE), 0);
	CHECK_SOON(test_stats(u).ram_pages <= INSIDE);
	before = test_stats(u).limit_exceeded;
	for (size_t i = INSIDE + BEYOND; i < NPAGES; i++)
		p[i * PAGE] = 1;
	CHECK(test_stats(u).ram_pages <= INSIDE + INSIDE / 8);
	CHECK_EQ(test_stats(u).limit_exceeded, before);
	test_close(u);
	return 0;
}
