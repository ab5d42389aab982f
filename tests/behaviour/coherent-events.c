// SPDX-License-Identifier: MIT
/*
 * Discard, unmap, remap, protect and fork do the same to memory on a coherent
 * device as to memory in RAM.
 */
#include <sched.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES 64

static struct uhmm *u;
static struct uhmm_device *dev;

static char *place(size_t npages, uint64_t seed)
{
	char *p = test_map_blocks(1);

	test_fill(p, npages, seed);
	test_move(u, p, npages, dev);
	CHECK_EQ(test_count_on(u, p, npages, dev), npages);
	return p;
}

/* The event has been read when munmap() returns, but perhaps not applied. */
static void await_used(size_t npages)
{
	while (test_info(dev).used != npages)
		sched_yield();
}

static void forget(char *p)
{
	CHECK_EQ(munmap(p, BLOCK), 0);
	await_used(0);
}

static void test_discard(void)
{
	char *p = place(NPAGES, 1);

	CHECK_EQ(madvise(p + 8 * PAGE, 8 * PAGE, MADV_DONTNEED), 0);
	test_verify(p, 8, 1);
	for (size_t i = 8 * PAGE; i < 16 * PAGE; i++)
		CHECK_EQ(p[i], 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), NPAGES);
	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, NULL);
	test_verify(p, NPAGES, 2);
	forget(p);
}

/* Also in part, and as a whole at once with what is not there. */
static void test_unmap(void)
{
	char *p = place(NPAGES, 3);

	CHECK_EQ(munmap(p + 16 * PAGE, 16 * PAGE), 0);
	CHECK_EQ(test_count_on(u, p, 16, dev), 16);
	await_used(NPAGES - 16);
	test_verify(p, 16, 3);
	CHECK(mmap(p + 16 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == p + 16 * PAGE);
	CHECK_EQ(p[20 * PAGE], 0);
	forget(p);
}

static void test_remap(void)
{
	char *p = place(NPAGES, 4), *q;

	q = mremap(p, NPAGES * PAGE, NPAGES * PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED, p + BLOCK / 2);
	CHECK(q == p + BLOCK / 2);
	CHECK_EQ(test_count_on(u, q, NPAGES, dev), NPAGES);
	test_verify(q, NPAGES, 4);
	test_fill(q, NPAGES, 5);
	test_move(u, q, NPAGES, NULL);
	test_verify(q, NPAGES, 5);
	forget(p);
}

static sigjmp_buf out;

static void on_signal(int sig)
{
	siglongjmp(out, sig);
}

static int signal_of_write(char *p)
{
	volatile int sig = 0;

	signal(SIGSEGV, on_signal);
	sig = sigsetjmp(out, 1);
	if (!sig)
		*(volatile char *)p = 1;
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

/* The protection is the mapping's, whatever is mapped. */
static void test_protect(void)
{
	char *p = place(NPAGES, 6);

	CHECK_EQ(mprotect(p + 8 * PAGE, 8 * PAGE, PROT_READ), 0);
	CHECK_EQ(signal_of_write(p + 8 * PAGE), SIGSEGV);
	CHECK_EQ(signal_of_write(p + 16 * PAGE), 0);
	test_move(u, p, NPAGES, NULL);
	CHECK_EQ(signal_of_write(p + 8 * PAGE), SIGSEGV);
	test_verify(p, 16, 6);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(signal_of_write(p + 8 * PAGE), SIGSEGV);
	test_verify(p, 16, 6);
	forget(p);
}

/* A child has what was there, and what it writes is its own. */
static void test_fork(void)
{
	char *p = place(NPAGES, 7);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, NPAGES, 7);
		test_fill(p, NPAGES, 8);
		test_verify(p, NPAGES, 8);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	test_verify(p, NPAGES, 7);
	forget(p);
}

int main(void)
{
	u = test_open();
	dev = test_device(u, "dax:16M");
	test_discard();
	test_unmap();
	test_remap();
	test_protect();
	test_fork();
	test_close(u);
	return 0;
}
