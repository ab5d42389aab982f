// SPDX-License-Identifier: MIT
/* Pages held by uhmm_pin() stay, for the reason "pinned"; the others go. */
#include "../context.h"

#define NPAGES 600

static uint8_t why[NPAGES];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_pin(u, p + 100 * PAGE, 50 * PAGE), 0);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 50);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i >= 100 && i < 150 ? UHMM_WHY_PINNED : UHMM_WHY_OK);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES - 50);
	CHECK_EQ(test_stats(u).refused, 50);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_unpin(u, p + 100 * PAGE, 50 * PAGE), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
