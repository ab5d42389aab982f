// SPDX-License-Identifier: MIT
/*
 * Pages that the CPU writes while the provider copies them stay, with what it
 * wrote, for the reason "touched"; the write does not wait for the copy.  The
 * others go.
 */
#include "../device.h"

#define NPAGES 400

static struct test_ops ops;
static struct test_mover mover;

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, NPAGES);
	char *p = test_map_blocks(1);
	size_t went = 0;

	test_fill(p, NPAGES, 1);
	mover = (struct test_mover){
		.u = u, .dev = dev, .p = p, .npages = NPAGES
	};
	ops.hold_in = 1;
	test_mover_start(&mover);
	test_wait_held(&ops);
	CHECK_EQ(test_count_on(u, p, NPAGES, NULL), NPAGES);
	for (size_t i = 0; i < 100; i += 10)
		test_fill(p + i * PAGE, 1, 1000 + i); /* copy still held */
	CHECK_EQ(ops.waiting, 1);
	test_release(&ops);
	test_mover_join(&mover);

	for (size_t i = 0; i < NPAGES; i++) {
		if (i < 100 && i % 10 == 0)
			CHECK_EQ(mover.why[i], UHMM_WHY_TOUCHED);
		went += mover.why[i] == UHMM_WHY_OK;
	}
	CHECK_EQ(mover.ret, went);
	CHECK(went >= NPAGES - 20); /* a stream may take a neighbour along */
	CHECK_EQ(test_stats(u).touched, NPAGES - went);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), went);
	CHECK_EQ(test_info(dev).used, went);
	for (size_t i = 0; i < 100; i += 10)
		test_verify(p + i * PAGE, 1, 1000 + i);
	for (size_t i = 0; i < 100; i += 10) /* the old, where it belongs */
		for (size_t k = 0; k < PAGE_WORDS; k++)
			((uint64_t *)(p + i * PAGE))[k] =
				test_word(1, i * PAGE_WORDS + k);
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
