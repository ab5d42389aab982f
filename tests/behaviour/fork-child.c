// SPDX-License-Identifier: MIT
/*
 * After fork(2) the child has all memory as its own, with its data, also what
 * was away; every call on its copy of the context is -ENODEV, and it may open
 * a new one.  The parent goes on.
 */
#include <sys/wait.h>

#include "../context.h"

#define NPAGES 700

static uhmm_pfn_t pfns[NPAGES];

static void child(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	struct uhmm_stats stats = { .size = sizeof(stats) };
	struct uhmm_completion done = { .size = sizeof(done) };
	struct uhmm_device *dev2;
	struct uhmm *v;

	test_verify(p, NPAGES, 1);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENODEV);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), -ENODEV);
	CHECK_EQ(uhmm_migrate_start(u, p, PAGE, dev, 0), -ENODEV);
	CHECK_EQ(uhmm_complete(u, &done, 1), -ENODEV);
	CHECK_EQ(uhmm_register(u, p, PAGE), -ENODEV);
	CHECK_EQ(uhmm_unregister(u, p, PAGE), -ENODEV);
	CHECK_EQ(uhmm_pin(u, p, PAGE), -ENODEV);
	CHECK_EQ(uhmm_unpin(u, p, PAGE), -ENODEV);
	CHECK_EQ(uhmm_snapshot(u, p, PAGE, pfns), -ENODEV);
	CHECK_EQ(uhmm_stats(u, &stats), -ENODEV);
	CHECK_EQ(uhmm_set_ram_limit(u, 0), -ENODEV);
	CHECK_EQ(uhmm_device_open(u, "ram:1M", &dev2), -ENODEV);
	CHECK_EQ(uhmm_device_remove(dev), -ENODEV);
	CHECK_EQ(uhmm_close(u), -ENODEV);

	v = test_open();
	dev2 = test_device(v, "ram:16M");
	test_fill(p, NPAGES, 2);
	test_move(v, p, NPAGES, dev2);
	test_verify(p, NPAGES, 2);
	test_close(v);
	exit(0);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	for (int round = 0; round < 3; round++) {
		int status;
		pid_t pid;

		test_fill(p, NPAGES, 1); /* shared pages would stay */
		test_move(u, p, NPAGES, dev);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			child(u, dev, p);
		test_verify(p, NPAGES, 1);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		test_verify(p, NPAGES, 1);
	}
	test_close(u);
	return 0;
}
