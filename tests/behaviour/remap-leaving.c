// SPDX-License-Identifier: MIT
/*
 * mremap(2) of pages that are being copied to a device: the new address has
 * the data, the move ends.
 */
#include "../device.h"

#define NPAGES 300

static struct test_ops ops;
static struct test_mover mover;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 3 * NPAGES);
	char *p = test_map_blocks(1), *to = test_map_blocks(1);

	CHECK_EQ(uhmm_register(u, p, BLOCK),
		 0); /* mremap(2) takes one mapping */
	test_fill(p, NPAGES, 1);
	test_fill(p + NPAGES * PAGE, 50, 5);
	mover = (struct test_mover){
		.u = u, .dev = dev, .p = p, .npages = NPAGES
	};
	ops.hold_in = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	CHECK(mremap(p, (NPAGES + 50) * PAGE, (NPAGES + 50) * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	test_verify(to, 20, 1);
	test_fill(to, 10, 1); /* the same, but written */
	test_release(&ops);
	test_mover_join(&mover);
	CHECK_EQ(mover.ret, 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK(mover.why[i] != UHMM_WHY_OK);
	test_verify(to, NPAGES, 1);
	test_verify(to + NPAGES * PAGE, 50, 5);
	test_move(u, to, NPAGES + 50, dev);
	test_verify(to, NPAGES, 1);
	test_verify(to + NPAGES * PAGE, 50, 5);
	test_close(u);
	return 0;
}
