// SPDX-License-Identifier: MIT
/*
 * mremap(MREMAP_DONTUNMAP) of pages that are used in place: they are where they
 * went, and a touch where they were is SIGBUS.
 */
#include "../device.h"

#define NPAGES	  4
#define DONTUNMAP 4 /* MREMAP_DONTUNMAP */

static char *move_away(char *p)
{
	char *to = mremap(p, NPAGES * PAGE, NPAGES * PAGE,
			  MREMAP_MAYMOVE | DONTUNMAP, NULL);

	if (to == MAP_FAILED)
		test_skip("the kernel moves no shared memory so");
	return to;
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;
	char *p, *to;

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	dev = test_device(u, "dax:4M");
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	to = move_away(p);
	test_verify(to, NPAGES, 1);
	CHECK_EQ(test_read_raises(p), SIGBUS);
	CHECK_EQ(test_write_raises(p + PAGE), SIGBUS);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_move(u, to, NPAGES, NULL);
	test_verify(to, NPAGES, 1);
	test_close(u);
	return 0;
}
