// SPDX-License-Identifier: MIT
/*
 * Pages locked by mlock(2) stay in RAM, for the reason "locked", with their
 * data.  After munlock(2) they can go.
 */
#include "../context.h"

#define NPAGES 300

static uint8_t why[NPAGES];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES), *lock = p + 100 * PAGE;

	test_fill(p, NPAGES, 1);
	if (test_mlock(lock, 50 * PAGE))
		test_skip("may not lock 200 KiB");
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES - 50);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i],
			 i >= 100 && i < 150 ? UHMM_WHY_LOCKED : UHMM_WHY_OK);
	CHECK_EQ(test_count_on(u, lock, 50, NULL), 50);
	test_fill(lock, 50, 2); /* still writable */
	test_verify(lock, 50, 2);
	test_verify(p, 100, 1);
	CHECK_EQ(test_munlock(lock, 50 * PAGE), 0);
	test_move(u, p, NPAGES, dev);
	test_verify(p, 100, 1);
	test_verify(lock, 50, 2);
	test_close(u);
	return 0;
}
