// SPDX-License-Identifier: MIT
/*
 * A program discards, unmaps and moves pages on a device of the kernel module,
 * and forks: they stay on the device then, shared with the child until either
 * writes.
 */
#include <sys/wait.h>

#include "../kmod.h"
#include "../site.h"

#define NPAGES 1200

static struct uhmm *u;
static struct uhmm_device *dev;
static bool is_coherent;

static void test_discard(void)
{
	char *p = test_map(NPAGES), *mid = p + 300 * PAGE;

	for (uint64_t round = 0; round < 3; round++) {
		test_fill(p, NPAGES, round);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(madvise(mid, 600 * PAGE, MADV_DONTNEED), 0);
		CHECK_SOON(test_info(dev).used == NPAGES - 600);
		test_verify_zero(mid, 600);
		test_fill(mid, 600, 100 + round);
		test_move(u, p, NPAGES, dev);
		test_verify(mid, 600, 100 + round);
		test_verify(p, 300, round);
	}
	munmap(p, NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == 0);
}

static void test_remap(void)
{
	char *p = test_map(NPAGES), *q;

	test_fill(p, NPAGES, 3);
	test_move(u, p, NPAGES, dev);
	q = mremap(p, NPAGES * PAGE, 2 * NPAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(test_count_on(u, q, NPAGES, dev), NPAGES);
	CHECK_EQ(test_info(dev).used, NPAGES);
	test_verify(q, NPAGES, 3);
	test_verify_zero(q + NPAGES * PAGE, NPAGES);
	test_move(u, q, NPAGES, dev);
	test_move(u, q, NPAGES, NULL);
	CHECK_EQ(test_info(dev).used, 0);
	test_verify(q, NPAGES, 3);
	munmap(q, 2 * NPAGES * PAGE);
}

static void child(char *p, int told)
{
	char byte;

	CHECK_EQ(read(told, &byte, 1), 1);
	test_verify(p, NPAGES, 4);
	test_fill(p, NPAGES, 5);
	test_verify(p, NPAGES, 5);
	_exit(0);
}

static void test_fork(void)
{
	char *p = test_map(NPAGES);

	for (int round = 0; round < 2; round++) {
		int status, tell[2];
		pid_t pid;

		CHECK_EQ(pipe(tell), 0);
		test_fill(p, NPAGES, 4);
		test_move(u, p, NPAGES, dev);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			child(p, tell[0]);
		CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
		CHECK_EQ(test_count_private(p, NPAGES),
			 is_coherent ? 0 : NPAGES);
		CHECK_EQ(write(tell[1], "", 1), 1);
		if (round) /* both at once */
			test_verify(p, NPAGES, 4);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		test_verify(p, NPAGES, 4);
		close(tell[0]);
		close(tell[1]);
	}
	munmap(p, NPAGES * PAGE);
	CHECK_SOON(test_info(dev).used == 0);
}

static void test_all(void)
{
	u = test_open();
	dev = test_kmod(u, is_coherent);
	test_discard();
	test_site_unmap(u, dev);
	test_remap();
	test_fork();
	test_close(u);
}

int main(void)
{
	test_all();
	is_coherent = true;
	if (test_has_coherent_kmod())
		test_all();
	return 0;
}
