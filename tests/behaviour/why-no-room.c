// SPDX-License-Identifier: MIT
/*
 * A device takes as many pages as it has; the others stay, for the reason "no
 * room", until pages have gone home.
 */
#include "../context.h"

#define NPAGES 1000
#define ROOM   300

static uint8_t why[NPAGES];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1200K");
	char *p = test_map(NPAGES);
	size_t ok = 0;

	CHECK_EQ(test_info(dev).npages, ROOM);
	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), ROOM);
	for (size_t i = 0; i < NPAGES; i++) {
		CHECK(why[i] == UHMM_WHY_OK || why[i] == UHMM_WHY_NO_ROOM);
		ok += why[i] == UHMM_WHY_OK;
	}
	CHECK_EQ(ok, ROOM);
	CHECK_EQ(test_info(dev).used, ROOM);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES - ROOM);
	test_verify(p, NPAGES, 1);
	CHECK_SOON(test_info(dev).used == 0);
	test_move(u, p + (NPAGES - ROOM) * PAGE, ROOM, dev);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
