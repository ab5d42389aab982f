// SPDX-License-Identifier: MIT
/*
 * Mirrors are added while the removal of another one waits for a fault of it.
 * The removal ends with that fault, and none of the others is used meanwhile.
 */
#include "../mirror.h"

#define NR_OTHERS 200

static struct test_table t, others[NR_OTHERS];
static struct test_ops ops;
static int fault_result;
static char *p;

static void *faulter(void *arg)
{
	(void)arg;
	fault_result = uhmm_mirror_fault(t.mirror, p, PAGE, 0);
	return NULL;
}

static void *remover(void *arg)
{
	CHECK_EQ(uhmm_mirror_remove(arg), 0);
	return NULL;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device_of(u, &ops, 16);
	pthread_t fault, removal;

	p = test_map(1);
	test_fill(p, 1, 1);
	test_move(u, p, 1, dev);
	test_mirror(u, &t, p, NULL);
	ops.hold_out = 1;
	CHECK_EQ(pthread_create(&fault, NULL, faulter, NULL), 0);
	test_wait_held(&ops);
	CHECK_EQ(pthread_create(&removal, NULL, remover, t.mirror), 0);
	while (!atomic_load(&t.told[UHMM_NOTIFY_RELEASE]))
		sched_yield();
	for (int i = 0; i < NR_OTHERS; i++) {
		sched_yield();
		test_mirror(u, &others[i], p, NULL);
	}
	test_release(&ops);
	CHECK_EQ(pthread_join(fault, NULL), 0);
	CHECK_EQ(pthread_join(removal, NULL), 0);
	CHECK(fault_result == 0 || fault_result == -ENODEV);
	CHECK_EQ(t.maps, 0);
	for (int i = 0; i < NR_OTHERS; i++) {
		CHECK_EQ(others[i].maps, 0);
		CHECK_EQ(uhmm_mirror_remove(others[i].mirror), 0);
	}
	test_close(u);
	return 0;
}
