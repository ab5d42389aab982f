// SPDX-License-Identifier: MIT
/*
 * Memory that was never touched, or was discarded while pinned, can be pinned
 * and stays out of the way of moves.
 */
#include "../context.h"

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(100);

	CHECK_EQ(uhmm_pin(u, p, 50 * PAGE), 0);
	CHECK_EQ(uhmm_migrate(u, p, 100 * PAGE, dev), 50);
	test_verify_zero(p, 100);
	test_fill(p, 100, 1);
	CHECK_EQ(madvise(p, 10 * PAGE, MADV_DONTNEED), 0);
	test_verify_zero(p, 10);
	CHECK_EQ(uhmm_migrate(u, p, 100 * PAGE, dev), 50);
	CHECK_EQ(uhmm_unpin(u, p, 50 * PAGE), 0);
	test_move(u, p, 100, dev);
	test_verify_zero(p, 10);
	for (size_t i = 10 * PAGE_WORDS; i < 100 * PAGE_WORDS; i++)
		CHECK_EQ(((uint64_t *)p)[i], test_word(1, i));
	test_close(u);
	return 0;
}
