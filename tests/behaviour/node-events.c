// SPDX-License-Identifier: MIT
/*
 * A program discards, unmaps and moves pages on a NUMA node, and forks.  Data
 * and zeroes are right, and the device's count follows.
 */
#include <sys/wait.h>

#include "../node.h"
#include "../site.h"

#define NPAGES 1200

static struct uhmm *u;
static struct uhmm_device *dev;

static void test_discard(void)
{
	char *p = test_map(NPAGES), *mid = p + 300 * PAGE;

	for (uint64_t round = 0; round < 3; round++) {
		test_fill(p, NPAGES, round);
		test_move(u, p, NPAGES, dev);
		CHECK_EQ(madvise(mid, 600 * PAGE, MADV_DONTNEED), 0);
		test_verify_zero(mid, 600);
		CHECK_SOON(test_info(dev).used == NPAGES - 600);
		CHECK_EQ(test_count_node(mid, 600, test_node()), 0);
		test_fill(mid, 600, 100 + round);
		test_move(u, p, NPAGES, dev);
		test_verify(mid, 600, 100 + round);
		test_verify(p, 300, round);
		CHECK_EQ(madvise(p, NPAGES * PAGE, MADV_DONTNEED), 0);
		CHECK_SOON(test_info(dev).used == 0);
		test_verify_zero(p, NPAGES);
	}
	CHECK(test_stats(u).discarded >= 3 * NPAGES);
	munmap(p, NPAGES * PAGE);
}

/* Pages that were discarded lazily go home with the others. */
static void test_discard_lazily(void)
{
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(madvise(p, 100 * PAGE, MADV_FREE), 0);
	for (size_t i = 0; i < 100; i++)
		p[i * PAGE] = 1; /* or it may be taken at any time */
	CHECK_SOON(test_info(dev).used == NPAGES - 100);
	test_move(u, p, NPAGES, NULL);
	test_all_on(u, p, NPAGES, NULL);
	test_fill(p, 100, 1);
	test_verify(p, NPAGES, 1);
	munmap(p, NPAGES * PAGE);
}

static void test_remap(void)
{
	char *p = test_map(NPAGES), *q;

	test_fill(p, NPAGES, 3);
	test_move(u, p, NPAGES, dev);
	q = mremap(p, NPAGES * PAGE, 2 * NPAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	test_all_on(u, q, NPAGES, dev);
	CHECK_EQ(test_info(dev).used, NPAGES);
	test_verify(q, NPAGES, 3);
	test_verify_zero(q + NPAGES * PAGE, NPAGES);
	test_move(u, q, NPAGES, NULL);
	CHECK_EQ(test_info(dev).used, 0);
	test_verify(q, NPAGES, 3);
	munmap(q, 2 * NPAGES * PAGE);
}

static void child(char *p)
{
	test_verify(p, NPAGES, 4);
	test_fill(p, NPAGES, 5);
	test_verify(p, NPAGES, 5);
	exit(0);
}

/* Afterwards they are in RAM, where the copies for writes will be too. */
static void test_fork(void)
{
	char *p = test_map(NPAGES);

	for (int round = 0; round < 2; round++) {
		int status;
		pid_t pid;

		test_fill(p, NPAGES, 4);
		test_move(u, p, NPAGES, dev);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			child(p);
		test_all_on(u, p, NPAGES, NULL);
		test_verify(p, NPAGES, 4);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		test_verify(p, NPAGES, 4);
	}
	munmap(p, NPAGES * PAGE);
}

/* Shared pages are refused, with the reason, and kept. */
static void test_shared(void)
{
	static uint8_t why[NPAGES];
	char *p = test_map(NPAGES);
	int wait[2];
	pid_t pid;

	test_fill(p, NPAGES, 6);
	/*
	 * Where a node has no huge page left the kernel takes one of another
	 * node, which may be this.
	 */
	test_move(u, p, NPAGES, NULL);
	test_all_on(u, p, NPAGES, NULL);
	CHECK_EQ(pipe(wait), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(wait[1]);
		_exit(read(wait[0], p, 1) != 0);
	}
	test_fill(p, 100, 6); /* ours again */
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), 100);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(why[i], i < 100 ? UHMM_WHY_OK : UHMM_WHY_SHARED);
	test_verify(p, NPAGES, 6);
	close(wait[0]);
	close(wait[1]);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	test_move(u, p, NPAGES, dev);
	test_verify(p, NPAGES, 6);
	munmap(p, NPAGES * PAGE);
}

int main(void)
{
	u = test_open();
	dev = test_node_device(u, "64M");
	test_discard();
	test_discard_lazily();
	test_site_unmap(u, dev);
	test_remap();
	test_fork();
	test_shared();
	test_close(u);
	return 0;
}
