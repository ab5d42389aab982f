// SPDX-License-Identifier: MIT
/*
 * Memory of a real device, /dev/dax0.0, takes the place of pages and gives it
 * back: the CPU writes into it, a thread all the while, and no step is lost.
 * Scattered pages, a child, and a program that moves what is there.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES 600
#define ROUNDS 10

static struct uhmm *u;
static struct uhmm_device *dev;
static char *p;
static _Atomic bool done;

static void test_there_and_back(void)
{
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 2);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_move(u, p, NPAGES, NULL);
	CHECK_EQ(test_info(dev).used, 0);
	test_verify(p, NPAGES, 2);
}

static void test_scattered(void)
{
	for (size_t i = 0; i < NPAGES; i += 7)
		CHECK_EQ(uhmm_migrate(u, p + i * PAGE, PAGE, dev), 1);
	CHECK_EQ(test_info(dev).used, (NPAGES + 6) / 7);
	test_verify(p, NPAGES, 2);
	test_fill(p, NPAGES, 3);
	test_move(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 3);
}

static volatile uint64_t *word_of(size_t page)
{
	return (volatile uint64_t *)(p + page * PAGE) + 5;
}

static void *count_up(void *arg)
{
	uint64_t step = 0;

	(void)arg;
	while (!atomic_load(&done)) {
		for (size_t i = 0; i < NPAGES; i++) {
			CHECK_EQ(*word_of(i), step);
			*word_of(i) = step + 1;
		}
		step++;
	}
	return (void *)step;
}

static void test_writer(void)
{
	pthread_t thread;
	void *steps;

	memset(p, 0, NPAGES * PAGE);
	CHECK_EQ(pthread_create(&thread, NULL, count_up, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(uhmm_migrate(u, p, NPAGES * PAGE, dev) >= 0);
		CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), NPAGES);
	}
	atomic_store(&done, true);
	CHECK_EQ(pthread_join(thread, &steps), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(*word_of(i), (uint64_t)steps);
}

static void test_child(void)
{
	int status;
	pid_t pid;

	test_fill(p, NPAGES, 4);
	test_move(u, p, NPAGES, dev);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, NPAGES, 4);
		test_fill(p, NPAGES, 5);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_verify(p, NPAGES, 4);
}

/*
 * The kernel does not tell of it.  What the mapping holds stays its own, and
 * the device's page is not given to another.
 */
static void test_moved_unnoticed(void)
{
	char *a = test_map_blocks(1), *b = test_map_blocks(1), *c;

	test_fill(a, 64, 6);
	test_move(u, a, 64, dev);
	c = mremap(a, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   a + BLOCK / 2);
	CHECK(c == a + BLOCK / 2);
	test_verify(c, 64, 6);
	CHECK(uhmm_migrate(u, a, 64 * PAGE, NULL) >= 0);
	test_fill(b, 64, 7);
	test_move(u, b, 64, dev);
	test_verify(b, 64, 7);
	test_verify(c, 64, 6);
	test_fill(c, 64, 8);
	test_verify(b, 64, 7);
	test_move(u, b, 64, NULL);
	CHECK_EQ(uhmm_device_remove(dev), -EBUSY);
	CHECK_EQ(test_info(dev).used, 64);
	test_verify(c, 64, 8);
}

int main(void)
{
	if (access("/dev/dax0.0", R_OK | W_OK))
		test_skip("no /dev/dax0.0");
	u = test_open();
	dev = test_device(u, "dax:16M,path=/dev/dax0.0");
	p = test_map_blocks(2);
	test_there_and_back();
	test_scattered();
	test_writer();
	test_child();
	test_fill(p, NPAGES, 4); /* what a fork left is movable once written */
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	test_verify(p, NPAGES, 4);
	dev = test_device(u, "dax,path=/dev/dax0.0");
	CHECK(test_info(dev).npages * PAGE > 128ul << 20);
	test_move(u, p, NPAGES, dev);
	test_moved_unnoticed();
	test_close(u);
	test_verify(p, NPAGES, 4);
	return 0;
}
