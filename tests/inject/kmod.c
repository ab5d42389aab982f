// SPDX-License-Identifier: MIT
/*
 * Each system call fails at its n-th use, for every n, while pages go to a
 * device of the kernel module and come home: no data are lost, and all works
 * again afterwards.
 */
#include "../kmod.h"
#include "sys/fail.h"

#define NPAGES 40

static void use(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	struct uhmm_device_info info = { .size = sizeof(info) };
	uhmm_pfn_t pfn[NPAGES];

	uhmm_migrate(u, p, NPAGES * PAGE, dev);
	(void)*(volatile char *)p;
	uhmm_snapshot(u, p, NPAGES * PAGE, pfn);
	uhmm_device_query(dev, &info);
	uhmm_migrate(u, p, NPAGES * PAGE, dev);
	uhmm_migrate(u, p, NPAGES / 2 * PAGE, NULL);
}

/* Return: whether the n-th call was reached. */
static bool try_call(int nth)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_kmod(u, false), *other = NULL;
	char *p = test_map(NPAGES);
	const char *failed;

	uhmm_set_log(u, test_no_log, NULL);
	test_fill(p, NPAGES, 1);
	sys_fail_arm(nth);
	if (uhmm_device_open(u, "kmod:1M", &other))
		other = NULL;
	use(u, dev, p);
	failed = sys_fail_disarm();
	test_verify(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 1);
	CHECK_EQ(test_info(dev).used, 0);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_remove(other), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	CHECK_EQ(test_count_private(p, NPAGES), 0);
	test_close(u);
	test_verify(p, NPAGES, 1);
	munmap(p, NPAGES * PAGE);
	return failed;
}

int main(void)
{
	int nth = 1;

	while (try_call(nth))
		nth++;
	CHECK(nth > 5);
	return 0;
}
