// SPDX-License-Identifier: MIT
/*
 * mmap(MAP_FIXED) over pages that other threads move: the new mapping holds
 * zeroes, and the pages beside it what they held.
 */
#include "../movers.h"

#define NPAGES 96

static char *p;

static volatile uint64_t *word(size_t i)
{
	return (uint64_t *)(p + i * PAGE);
}

static void verify(uint64_t tag, size_t first, size_t last)
{
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*word(i), i >= first && i < last ? 0 : tag | i);
}

static void map_over(uint64_t *seed, uint64_t tag)
{
	size_t first = test_below(seed, NPAGES);
	size_t last = first + 1 + test_below(seed, NPAGES - first);

	for (size_t i = 0; i < NPAGES; i++)
		*word(i) = tag | i;
	CHECK(mmap(p + first * PAGE, (last - first) * PAGE,
		   PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p + first * PAGE);
	for (int k = 0; k < 3; k++)
		verify(tag, first, last);
}

int main(void)
{
	uint64_t seed = test_seed();
	time_t end;

	movers.u = test_open();
	uhmm_set_log(movers.u, test_no_log, NULL);
	movers.dev = test_any_device(movers.u, "ram:1M");
	movers.seed = seed;
	p = (char *)test_map_blocks(2) + BLOCK - NPAGES / 2 * PAGE;
	movers.p = p;
	movers.npages = movers.most = NPAGES;
	movers_start();
	end = time(NULL) + 2;
	for (uint64_t k = 1; time(NULL) < end; k++)
		map_over(&seed, k << 8);
	movers_join();
	test_close(movers.u);
	return 0;
}
