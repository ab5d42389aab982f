// SPDX-License-Identifier: MIT
/*
 * A mirror is removed while a fault of it runs: the fault ends, and no callback
 * follows.  A device that is removed leaves its mirrors of no use, and the
 * context's end releases those that are left.
 */
#include "../mirror.h"

#define NPAGES 600

static struct test_table t;
static struct uhmm *u;
static char *p;
static int fault_result;

static void *faulter(void *arg)
{
	(void)arg;
	fault_result =
		uhmm_mirror_fault(t.mirror, p, NPAGES * PAGE, UHMM_FAULT_WRITE);
	return NULL;
}

static void *remover(void *arg)
{
	CHECK_EQ(uhmm_mirror_remove(arg), 0);
	return NULL;
}

static void during_a_fault(void)
{
	pthread_t fault, removal;

	test_mirror(u, &t, p, NULL);
	t.hold = 1;
	CHECK_EQ(pthread_create(&fault, NULL, faulter, NULL), 0);
	test_futex_wait(&t.waiting, 0);
	CHECK_EQ(pthread_create(&removal, NULL, remover, t.mirror), 0);
	test_futex_set(&t.hold, 0);
	pthread_join(fault, NULL);
	pthread_join(removal, NULL);
	CHECK(fault_result == 0 || fault_result == -ENODEV);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(t.told[UHMM_NOTIFY_RELEASE], 1);
}

int main(void)
{
	struct uhmm_device *dev;

	u = test_open();
	dev = test_device(u, "ram:4M");
	p = test_map_blocks(2);
	for (int i = 0; i < 50; i++)
		during_a_fault();
	test_mirror(u, &t, p, dev);
	test_fault(&t, p, NPAGES, UHMM_FAULT_WRITE);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(t.told[UHMM_NOTIFY_RELEASE], 1);
	CHECK_EQ(test_entries(&t, p, NPAGES, UHMM_PFN_VALID), 0);
	CHECK_EQ(uhmm_mirror_fault(t.mirror, p, PAGE, 0), -ENODEV);
	test_close(u);
	return 0;
}
