// SPDX-License-Identifier: MIT
/*
 * More calls than a device can have at once, all of which hang: those that wait
 * say so, the device can be lost, and the context closed.
 */
#include "../stuck.h"

#define NR_MOVERS 40

static struct test_ops ops;
static struct test_mover m[NR_MOVERS];
static _Atomic uint32_t waits;

static void watch(void *arg, int level, const char *msg)
{
	(void)arg;
	CHECK(level);
	if (strstr(msg,
		   "one of all calls that there may be to end in device stuck"))
		test_futex_set(&waits, waits + 1);
}

int main(void)
{
	struct uhmm *u = test_open_watched();
	struct uhmm_device *dev;
	char *p = test_map_blocks(NR_MOVERS);

	uhmm_set_log(u, watch, NULL);
	dev = test_device_named(u, &ops, NR_MOVERS, "stuck",
				UHMM_DEVICE_CONCURRENT);
	ops.hold_in = 1;
	for (int i = 0; i < NR_MOVERS; i++) { /* one in each block */
		m[i] = (struct test_mover){
			.u = u, .dev = dev, .p = p + i * BLOCK, .npages = 1
		};
		test_fill(m[i].p, 1, (uint64_t)i);
		test_mover_start(&m[i]);
	}
	test_await(&waits, 1);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	test_release(&ops);
	for (int i = 0; i < NR_MOVERS; i++) {
		test_mover_join(&m[i]);
		test_verify(m[i].p, 1, (uint64_t)i);
	}
	CHECK(ops.in <= 32);
	test_close(u);
	CHECK_EQ(ops.released, 1);
	return 0;
}
