// SPDX-License-Identifier: MIT
/*
 * While pages go to memory that the CPU maps, and come home, their mapping is
 * replaced.  No call takes that moment for a hole.
 */
#include "../mirror.h"
#include "../movers.h"

#define NPAGES 64 /* that move; and one behind them */
#define LOOKS  5000
#define MOVES  100 /* pages that move meanwhile, at least */

static struct uhmm *u;
static struct test_table table;
static char *p;

/* The last page cannot be managed, so the call looks at all of them. */
static void check_register(void)
{
	CHECK_EQ(uhmm_register(u, p, (NPAGES + 1) * PAGE), -EOPNOTSUPP);
}

static void check_mirror(void)
{
	uhmm_pfn_t pfn[NPAGES];

	CHECK_EQ(uhmm_mirror_snapshot(table.mirror, p, NPAGES * PAGE, pfn), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(!(pfn[i] & UHMM_PFN_ERROR));
}

int main(void)
{
	struct uhmm_device *dev;

	u = test_open();
	dev = test_device(u, "dax:4M");
	p = test_map_blocks(1);
	CHECK(mmap(p + NPAGES * PAGE, PAGE, PROT_READ,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p + NPAGES * PAGE);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_mirror(u, &table, p, dev);
	movers = (struct movers){
		.u = u, .dev = dev, .p = p, .npages = NPAGES, .most = NPAGES
	};
	movers_start();
	for (unsigned i = 0; i < LOOKS || movers.moved < MOVES; i++) {
		check_register();
		check_mirror();
	}
	movers_join();
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_mirror_remove(table.mirror), 0);
	test_close(u);
	return 0;
}
