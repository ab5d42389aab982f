// SPDX-License-Identifier: MIT
/*
 * Pages given to a pipe by vmsplice(2) migrate under UHMM_OPEN_NO_RECYCLE, and
 * the pipe keeps their data whatever is moved afterwards: their frames are not
 * used again.
 */
#include <fcntl.h>
#include <sys/uio.h>

#include "../context.h"

#define NPAGES 8
#define OTHERS 512

int main(void)
{
	struct uhmm_params params = { .flags = UHMM_OPEN_NO_RECYCLE };
	struct uhmm *u = test_open_with(params);
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map_blocks(1), *others = test_map_blocks(1);
	struct iovec vec = { p, NPAGES * PAGE };
	static char got[NPAGES * MAX_PAGE];
	int fd[2];

	test_fill(p, NPAGES, 1);
	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(vmsplice(fd[1], &vec, 1, 0), NPAGES * PAGE);
	CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) >= 0);
	for (uint64_t round = 0; round < 20; round++) {
		test_fill(others, OTHERS, 100 + round);
		test_move(u, others, OTHERS, dev);
		test_move(u, others, OTHERS, NULL);
	}
	CHECK_EQ(test_stats(u).pool_pages, 0);
	CHECK_EQ(read(fd[0], got, NPAGES * PAGE), NPAGES * PAGE);
	test_verify(got, NPAGES, 1);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
