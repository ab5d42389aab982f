// SPDX-License-Identifier: MIT
/*
 * mremap(MREMAP_FIXED) onto pages while other threads move them, page by page
 * and all at once: the data are at the new address, all of them.
 */
#include "../movers.h"

#define NPAGES 96

static char *from, *to;

static volatile uint64_t *word(char *p, size_t i)
{
	return (uint64_t *)(p + i * PAGE);
}

static void remap(size_t step, uint64_t tag)
{
	for (size_t i = 0; i < NPAGES; i++)
		*word(from, i) = tag | i;
	for (size_t off = 0; off < NPAGES * PAGE; off += step * PAGE)
		CHECK(mremap(from + off, step * PAGE, step * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED,
			     to + off) == to + off);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*word(to, i), tag | i);
	CHECK(mmap(from, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == from);
	CHECK_EQ(uhmm_register(movers.u, from, NPAGES * PAGE), 0);
}

int main(void)
{
	struct uhmm *u = test_open();
	time_t end;

	movers.u = u;
	uhmm_set_log(u, test_no_log, NULL);
	movers.dev = test_any_device(u, "ram:1M");
	movers.seed = test_seed();
	from = test_map_blocks(1);
	to = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, from, BLOCK), 0);
	CHECK_EQ(uhmm_register(u, to, BLOCK), 0);
	movers.p = to;
	movers.npages = NPAGES;
	movers.most = 16;
	movers_start();
	end = time(NULL) + 2;
	for (uint64_t k = 1; time(NULL) < end; k++)
		remap(k % 2 ? 1 : NPAGES, k << 8);
	movers_join();
	test_close(u);
	return 0;
}
