// SPDX-License-Identifier: MIT
/*
 * A device may not do to memory what the CPU may not do.  The test provokes
 * each error of a mirror's fault, of adding a mirror and of announcing a
 * change.  An error changes nothing.
 */
#include "../mirror.h"

static struct test_table t;
static struct uhmm *u;

static void call_back(void)
{
	struct uhmm_mirror *m;
	char *p = (char *)t.start;

	CHECK_EQ(uhmm_migrate(u, p, PAGE, NULL), -EDEADLK);
	CHECK_EQ(uhmm_mirror_fault(t.mirror, p, PAGE, 0), -EDEADLK);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), -EDEADLK);
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, NULL, &test_table_ops, &t, &m),
		 -EDEADLK);
	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_PROTECT), -EDEADLK);
}

static void check_faults(char *p)
{
	struct uhmm_mirror *m = t.mirror;

	CHECK_EQ(uhmm_mirror_fault(NULL, p, PAGE, 0), -EINVAL);
	CHECK_EQ(uhmm_mirror_fault(m, p + 1, PAGE, 0), -EINVAL);
	CHECK_EQ(uhmm_mirror_fault(m, p, 0, 0), -EINVAL);
	CHECK_EQ(uhmm_mirror_fault(m, p, PAGE, 64), -EINVAL);
	CHECK_EQ(uhmm_mirror_fault(m, (void *)-PAGE, 2 * PAGE, 0), -EINVAL);
	/* pages before the one that cannot be are entered */
	CHECK_EQ(munmap(p + 5 * PAGE, PAGE), 0);
	CHECK_EQ(uhmm_mirror_fault(m, p, 10 * PAGE, 0), -EFAULT);
	CHECK_EQ(test_entries(&t, p, 10, UHMM_PFN_VALID), 5);
	CHECK_EQ(mprotect(p + 10 * PAGE, PAGE, PROT_NONE), 0);
	CHECK_EQ(uhmm_mirror_fault(m, p + 10 * PAGE, PAGE, 0), -EFAULT);
	CHECK_EQ(mprotect(p + 11 * PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(uhmm_mirror_fault(m, p + 11 * PAGE, PAGE, 0), 0);
	CHECK_EQ(uhmm_mirror_fault(m, p + 11 * PAGE, PAGE, UHMM_FAULT_WRITE),
		 -EPERM);
	CHECK_EQ(uhmm_mirror_fault(m, p + 11 * PAGE, PAGE,
				   UHMM_FAULT_EXCLUSIVE),
		 -EPERM);
	CHECK(!(test_entry(&t, p + 11 * PAGE) & UHMM_PFN_WRITE));
	CHECK_EQ(mprotect(p + 11 * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	test_fault(&t, p + 11 * PAGE, 1, UHMM_FAULT_WRITE);
}

static void check_add(char *p, struct uhmm_device *dev)
{
	struct uhmm_mirror_ops none = { .size = sizeof(none) };
	struct uhmm *u2 = test_open();
	struct uhmm_mirror *m;

	CHECK_EQ(uhmm_mirror_add(NULL, NULL, 0, NULL, &test_table_ops, &t, &m),
		 -EINVAL);
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, NULL, NULL, &t, &m), -EINVAL);
	CHECK_EQ(uhmm_mirror_add(u, NULL, 0, NULL, &none, &t, &m), -EINVAL);
	CHECK_EQ(uhmm_mirror_add(u, p + 1, PAGE, NULL, &test_table_ops, &t, &m),
		 -EINVAL);
	CHECK_EQ(uhmm_mirror_add(u2, p, PAGE, dev, &test_table_ops, &t, &m),
		 -EINVAL);
	CHECK_EQ(uhmm_mirror_add(u, p, PAGE, dev, &test_table_ops, &t, &m), 0);
	CHECK_EQ(uhmm_mirror_fault(m, p + PAGE, PAGE, 0), -EINVAL);
	CHECK_EQ(uhmm_mirror_remove(m), 0);
	CHECK_EQ(uhmm_mirror_remove(NULL), 0);
	test_close(u2);
}

int main(void)
{
	struct uhmm_device *dev;
	char *p = test_map_blocks(1);

	u = test_open();
	dev = test_device(u, "ram:4M");
	test_mirror(u, &t, p, dev);
	check_faults(p);
	check_add(p, dev);
	t.fail = -ENOSPC;
	CHECK_EQ(uhmm_mirror_fault(t.mirror, p + 20 * PAGE, PAGE, 0), -ENOSPC);
	CHECK_EQ(test_entry(&t, p + 20 * PAGE), 0);
	t.called = call_back;
	test_fault(&t, p + 20 * PAGE, 1, 0);
	t.called = NULL;
	CHECK_EQ(uhmm_notify_begin(u, p, PAGE, UHMM_NOTIFY_MIGRATE), -EINVAL);
	CHECK_EQ(uhmm_notify_begin(u, p, 1, UHMM_NOTIFY_UNMAP), -EINVAL);
	CHECK_EQ(uhmm_device_accessed(dev, p, 1, 1), -EINVAL);
	CHECK_EQ(uhmm_device_accessed(NULL, p, PAGE, 1), -EINVAL);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	test_close(u);
	return 0;
}
