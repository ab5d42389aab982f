// SPDX-License-Identifier: MIT
/*
 * A provider's callback that calls uhmm gets -EDEADLK instead of hanging, on
 * the way out and on the way home; the move goes on.
 */
#include "../device.h"

#define NPAGES 20

static struct test_ops ops;
static struct uhmm *u;
static struct uhmm_device *dev;
static char *p;
static _Atomic int calls;

static void call_back(void)
{
	static uhmm_pfn_t pfn;

	atomic_fetch_add(&calls, 1);
	CHECK_EQ(uhmm_migrate(u, p, PAGE, NULL), -EDEADLK);
	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, NULL, 0), -EDEADLK);
	CHECK_EQ(uhmm_pin(u, p, PAGE), -EDEADLK);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), -EDEADLK);
	CHECK_EQ(uhmm_register(u, p, PAGE), -EDEADLK);
	CHECK_EQ(uhmm_unregister(u, p, PAGE), -EDEADLK);
	CHECK_EQ(uhmm_snapshot(u, p, PAGE, &pfn), -EDEADLK);
	CHECK_EQ(uhmm_device_remove(dev), -EDEADLK);
	CHECK_EQ(uhmm_close(u), -EDEADLK);
}

int main(void)
{
	u = test_open();
	dev = test_device_of(u, &ops, 2 * NPAGES);
	p = test_map(NPAGES);
	test_fill(p, NPAGES, 1);
	ops.called = call_back;
	test_move(u, p, NPAGES, dev);
	CHECK(calls > 0);
	calls = 0;
	test_verify(p, NPAGES / 2, 1);
	CHECK(calls > 0);
	test_move(u, p, NPAGES, NULL);
	ops.called = NULL;
	test_verify(p, NPAGES, 1);
	test_close(u);
	return 0;
}
