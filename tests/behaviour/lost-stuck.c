// SPDX-License-Identifier: MIT
/*
 * A device is lost while its callback hangs.  A thread that waits for one of
 * the device's pages gets SIGBUS, and does not wait for the callback.  Pages on
 * their way to the device are whole.  Data that the callback writes when it
 * comes back at last are seen nowhere.  release() comes after the callback.
 */
#include <sched.h>

#include "../stuck.h"

#define NPAGES 64
#define ROUNDS 50

static struct test_ops ops, other_ops;

/* Frames and bounce pages come and go. */
static void use_others(struct uhmm *u, struct uhmm_device *other, char *q)
{
	for (int i = 0; i < ROUNDS; i++) {
		test_verify(q, 8, 2);
		test_move(u, q, 8, other);
		CHECK_EQ(uhmm_migrate(u, q, 4 * PAGE, NULL), 4);
	}
}

static void check_calls(uint32_t calls)
{
	CHECK_EQ(atomic_load(&ops.in) + atomic_load(&ops.out), calls);
}

/* Two threads wait for a page; in inline mode one of them is in the call. */
static void lose_coming(uint32_t flags)
{
	struct test_toucher t[3] = { 0 };
	struct uhmm *u = test_open_watched();
	struct uhmm_device *dev, *other;
	char *p = test_map(NPAGES), *q = test_map_blocks(1);
	bool is_inline = test_has(u, "inline");
	uint32_t calls;

	memset(&ops, 0, sizeof(ops));
	memset(&other_ops, 0, sizeof(other_ops));
	dev = test_device_named(u, &ops, NPAGES, "stuck", flags);
	other = test_device_of(u, &other_ops, NPAGES);
	test_fill(p, NPAGES, 1);
	test_fill(q, 8, 2);
	test_move(u, p, NPAGES, dev);
	test_move(u, q, 8, other);
	ops.hold_out = 1;
	test_touch(&t[0], p + 3 * PAGE);
	test_wait_held(&ops);
	test_touch(&t[1], p + 3 * PAGE);
	if (!(flags & UHMM_DEVICE_CONCURRENT))
		test_touch(&t[2], p + 9 * PAGE); /* waits for its turn */
	calls = ops.in + ops.out;

	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(test_touched(&t[1]), SIGBUS);
	if (!(flags & UHMM_DEVICE_CONCURRENT))
		CHECK_EQ(test_touched(&t[2]), SIGBUS);
	if (!is_inline)
		CHECK_EQ(test_touched(&t[0]), SIGBUS);
	/* handlers free the pages of the others after they have woken them */
	while (test_info(dev).used > 1)
		sched_yield();
	CHECK_EQ(test_info(dev).used, 1); /* the call's */
	CHECK_EQ(ops.released, 0);
	use_others(u, other, q);
	test_release(&ops);
	test_await(&ops.released, 1);
	use_others(u, other, q);
	check_calls(calls);
	if (is_inline)
		CHECK_EQ(test_touched(&t[0]), SIGBUS);
	CHECK_EQ(test_stats(u).poisoned, NPAGES);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_close(u);
	CHECK_EQ(munmap(q, BLOCK), 0);
}

static void lose_leaving(uint32_t flags)
{
	struct uhmm *u = test_open_watched();
	char *p = test_map_blocks(1);
	struct test_mover m = { .u = u, .p = p, .npages = NPAGES };

	memset(&ops, 0, sizeof(ops));
	m.dev = test_device_named(u, &ops, NPAGES, "stuck", flags);
	test_fill(p, NPAGES, 1);
	ops.hold_in = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	CHECK_EQ(uhmm_device_lost(m.dev), 0);
	test_verify(p, 8, 1);
	CHECK_EQ(ops.released, 0);
	test_release(&ops);
	test_mover_join(&m);
	CHECK(m.ret == 0 || m.ret == -ENODEV);
	test_await(&ops.released, 1);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_stats(u).poisoned, 0);
	CHECK_EQ(test_info(m.dev).used, 0);
	test_close(u);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

/* A migration home, and a thread that waits for its pages. */
static void lose_migrating(void)
{
	struct test_toucher t = { 0 };
	struct uhmm *u = test_open_watched();
	char *p = test_map_blocks(1);
	struct test_mover m = { .u = u, .p = p, .npages = NPAGES };
	struct uhmm_device *dev;

	memset(&ops, 0, sizeof(ops));
	dev = test_device_named(u, &ops, NPAGES, "stuck", 0);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	ops.hold_out = 1;
	test_mover_start(&m);
	test_wait_held(&ops);
	test_touch(&t, p + 7 * PAGE);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(test_touched(&t), SIGBUS);
	test_release(&ops);
	test_mover_join(&m);
	CHECK_EQ(m.ret, 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(m.why[i], UHMM_WHY_POISONED);
	test_close(u);
	CHECK_EQ(munmap(p, BLOCK), 0);
}

int main(void)
{
	test_catch_threads();
	for (int i = 0; i < 2; i++) {
		lose_coming(i ? UHMM_DEVICE_CONCURRENT : 0);
		lose_leaving(i ? UHMM_DEVICE_CONCURRENT : 0);
	}
	lose_migrating();
	return 0;
}
