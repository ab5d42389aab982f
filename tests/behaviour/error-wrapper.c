// SPDX-License-Identifier: MIT
/*
 * The wrappers "error" and "delay" do to a device what their names say, and a
 * program over them neither loses data nor hangs.
 */
#include "../context.h"

#define NPAGES 600

static uint8_t why[NPAGES];

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *bad, *slow;
	char *p = test_map(NPAGES);

	bad = test_device(u, "error(op=to_dev,rate=1/3)/ram:16M");
	slow = test_device(u, "delay(us=20)/zram:16M");
	test_fill(p, NPAGES, 1);
	for (int round = 0; round < 5; round++) {
		ssize_t n = uhmm_migrate_why(u, p, NPAGES * PAGE, bad, why);

		CHECK(n >= 0);
		for (size_t i = 0; i < NPAGES; i++)
			CHECK(why[i] == UHMM_WHY_OK || why[i] == UHMM_WHY_IO);
		CHECK_EQ(test_count_on(u, p, NPAGES, bad), n);
		test_verify(p, NPAGES, 1);
	}
	CHECK(test_info(bad).errors > 0);
	test_move(u, p, NPAGES, slow);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
