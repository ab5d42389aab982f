// SPDX-License-Identifier: MIT
/*
 * A private device of the kernel module is lost: a touch of what was there
 * alone raises SIGBUS, in a child as well; what a touch had brought home before
 * is intact.  Another device can be added.  A coherent one cannot be lost.
 */
#include <sys/wait.h>

#include "../kmod.h"

#define NPAGES 600 /* in two blocks */
#define HOME   100

static void check_lost(struct uhmm *u, char *p)
{
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(!!(test_pfns(u, p + i * PAGE, 1)[0] & UHMM_PFN_ERROR),
			 i >= HOME);
	for (size_t i = HOME; i < NPAGES; i += 7) {
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
		CHECK_EQ(test_write_raises(p + i * PAGE + 8), SIGBUS);
	}
}

static void check_child(char *p)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		CHECK_EQ(test_read_raises(p + HOME * PAGE), SIGBUS);
		test_verify(p, HOME, 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_coherent(struct uhmm *u)
{
	struct uhmm_device *dev = test_kmod(u, true);

	CHECK_EQ(uhmm_device_lost(dev), -EOPNOTSUPP);
	CHECK_EQ(test_info(dev).lost, 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
}

int main(void)
{
	char *p = test_map(NPAGES), *q = test_map(NPAGES);
	struct uhmm_device *dev, *other;
	struct uhmm *u;

	test_catch(SIGBUS);
	u = test_open();
	dev = test_kmod(u, false);
	test_fill(p, NPAGES, 1);
	test_fill(q, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	test_verify(p, HOME, 1);
	CHECK_EQ(uhmm_device_failed(dev, 0, 1), -EOPNOTSUPP);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(test_info(dev).lost, 1);
	CHECK_EQ(test_info(dev).used, 0);
	CHECK_EQ(test_stats(u).poisoned, NPAGES - HOME);
	check_lost(u, p);
	test_verify(p, HOME, 1);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(uhmm_migrate(u, q, NPAGES * PAGE, dev), -ENODEV);
	check_child(p);

	other = test_kmod(u, false);
	test_move(u, q, NPAGES, other);
	test_verify(q, NPAGES, 2);
	CHECK_EQ(madvise(p + HOME * PAGE, PAGE, MADV_DONTNEED), 0);
	test_verify_zero(p + HOME * PAGE, 1);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	if (test_has_coherent_kmod())
		test_coherent(u);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_close(u);
	test_verify(q, NPAGES, 2);
	return 0;
}
