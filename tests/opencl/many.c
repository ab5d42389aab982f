// SPDX-License-Identifier: MIT
/*
 * Several threads run kernels on one device over memory of their own, which
 * does not fit together, while another one migrates, discards and unmaps: each
 * gets its own results.
 */
#include "opencl.h"

#define NR	 3
#define NPAGES	 700
#define RUNS	 5
#define DEV_SIZE "4M" /* 1024 pages */

static struct uhmm *u;
static struct uhmm_cl *cl;
static struct uhmm_cl_kernel *kernel;
static _Atomic uint32_t stop;

static void *runner(void *arg)
{
	uint64_t *p = arg, sum = 0;

	test_fill(p, NPAGES, 1);
	for (uint64_t i = 1; i <= RUNS; i++) {
		CHECK_EQ(test_cl_run_add(kernel, p, NPAGES, i, NULL, NULL), 0);
		sum += i;
		for (size_t w = 0; w < NPAGES * PAGE_WORDS; w += 77)
			CHECK_EQ(p[w], test_word(1, w) + sum);
	}
	for (size_t w = 0; w < NPAGES * PAGE_WORDS; w++)
		CHECK_EQ(p[w], test_word(1, w) + sum);
	return NULL;
}

/* Mapping over it unmaps what was there. */
static void *disturber(void *arg)
{
	uint64_t *p = arg;

	while (!atomic_load(&stop)) {
		CHECK(mmap(p, 64 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == p);
		test_fill(p, 64, 2);
		CHECK(uhmm_migrate(u, p, 64 * PAGE, uhmm_cl_device(cl)) >= 0);
		test_verify(p, 32, 2);
		CHECK_EQ(madvise(p, 8 * PAGE, MADV_DONTNEED), 0);
		test_verify_zero(p, 8);
	}
	return NULL;
}

int main(void)
{
	pthread_t runners[NR], other;
	void *p[NR + 1];

	u = test_open();
	cl = test_cl(u, DEV_SIZE);
	kernel = test_cl_kernel(cl, test_cl_add, "add");
	/* all before any thread runs: the place could be taken meanwhile */
	for (int i = 0; i <= NR; i++)
		p[i] = test_map_blocks(2);
	CHECK_EQ(pthread_create(&other, NULL, disturber, p[NR]), 0);
	for (int i = 0; i < NR; i++)
		CHECK_EQ(pthread_create(&runners[i], NULL, runner, p[i]), 0);
	for (int i = 0; i < NR; i++)
		CHECK_EQ(pthread_join(runners[i], NULL), 0);
	atomic_store(&stop, 1);
	CHECK_EQ(pthread_join(other, NULL), 0);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
