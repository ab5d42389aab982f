// SPDX-License-Identifier: MIT
/*
 * charge=keep: pages on a device count as if they were in RAM.  They come home
 * whatever the limit, which is not passed by that; new pages on a device are
 * refused at the limit, and a first touch passes it and is counted.
 */
#include "../group.h"

#define NPAGES ((size_t)400)

int main(void)
{
	struct uhmm *u = test_open_with(
		(struct uhmm_params){ .charge = UHMM_CHARGE_KEEP });
	struct uhmm_device *dev = test_device(u, "ram:16M");
	struct uhmm_group *g = test_group(u, NULL, "g");
	static uint8_t why[NPAGES];
	char *p = test_map_blocks(2), *q = p + BLOCK;

	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_charge(u, p, BLOCK, g), 0);
	test_limit(g, NULL, NPAGES * PAGE);
	test_move(u, p, NPAGES, dev);
	CHECK_PAGES(g, dev, NPAGES);
	CHECK_EQ(test_ask(g, NULL).all_pages, NPAGES);
	test_verify(p, NPAGES / 2, 1);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
	CHECK_PAGES(g, NULL, NPAGES);
	CHECK_EQ(test_ask(g, NULL).exceeded, 0);
	CHECK_EQ(test_stats(u).evicted, 0);

	/* never touched: it would be one more */
	CHECK_EQ(uhmm_migrate_why(u, p + NPAGES * PAGE, 100 * PAGE, dev, why),
		 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(why[i], UHMM_WHY_NO_ROOM);
	CHECK_EQ(test_ask(g, NULL).all_pages, NPAGES);
	test_fill(p + NPAGES * PAGE, 1, 2);
	CHECK_SOON(test_ask(g, NULL).exceeded == 1);
	CHECK_PAGES(g, NULL, NPAGES + 1);
	test_limit(g, NULL, (NPAGES + 11) * PAGE);
	CHECK_EQ(uhmm_migrate(u, p + (NPAGES + 1) * PAGE, 100 * PAGE, dev), 10);
	CHECK_PAGES(g, dev, 10);

	/* the context's own limit means the same */
	CHECK_EQ(uhmm_set_ram_limit(u, (NPAGES + 20) * PAGE), 0);
	CHECK_EQ(uhmm_register(u, q, BLOCK), 0);
	CHECK_EQ(uhmm_migrate(u, q, 100 * PAGE, dev), 9);
	CHECK_EQ(test_stats(u).limit_exceeded, 0);
	test_fill(q + 200 * PAGE, 5, 3);
	CHECK_SOON(test_stats(u).limit_exceeded == 1);
	test_verify(p, NPAGES, 1);
	test_verify(q + 200 * PAGE, 5, 3);
	test_close(u);
	return 0;
}
