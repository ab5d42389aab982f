// SPDX-License-Identifier: MIT
/*
 * The application unmaps pages while the provider copies them: the move ends,
 * takes no device page for them, and what is mapped there next is new.
 */
#include "../device.h"

#define NPAGES 400

static struct test_ops ops;
static struct test_mover mover;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, NPAGES);
	char *p = test_map_blocks(1), *hole = p + 100 * PAGE;

	test_fill(p, NPAGES, 1);
	mover = (struct test_mover){
		.u = u, .dev = dev, .p = p, .npages = NPAGES
	};
	ops.hold_in = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	CHECK_EQ(munmap(hole, 50 * PAGE), 0);
	test_pfns(u, p, 1); /* a call of ours: now it is known */
	test_release(&ops);
	test_mover_join(&mover);
	CHECK_EQ(mover.ret, NPAGES - 50);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(mover.why[i] == UHMM_WHY_OK, i < 100 || i >= 150);
	CHECK_SOON(test_info(dev).used == NPAGES - 50);
	CHECK(mmap(hole, 50 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == hole);
	test_verify_zero(hole, 50);
	test_fill(hole, 50, 2);
	test_verify(p, 100, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(hole, 50, 2);
	test_close(u);
	return 0;
}
