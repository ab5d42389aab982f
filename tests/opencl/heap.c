// SPDX-License-Identifier: MIT
/*
 * All of the heap goes to the device, again and again, while kernels run over
 * what malloc(3) gave and a thread allocates: nothing that copies a page may
 * need the heap.
 */
#include "opencl.h"

#define NR    2000
#define WORDS 700
#define RUNS  15

static uint64_t *block[NR];
static _Atomic uint32_t stop;

static void *allocator(void *arg)
{
	uint64_t seed = 1;

	(void)arg;
	while (!atomic_load(&stop)) {
		size_t len = 16 + test_below(&seed, 9000);
		unsigned char *p = malloc(len);

		CHECK(p);
		memset(p, 7, len);
		CHECK(p[test_below(&seed, len)] == 7);
		free(p);
	}
	return NULL;
}

static void heap_range(uintptr_t *start, uintptr_t *end)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[256];

	CHECK(f);
	*start = *end = 0;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[heap]"))
			CHECK_EQ(sscanf(line, "%lx-%lx", start, end), 2);
	CHECK_EQ(fclose(f), 0);
	if (*end <= *start)
		test_skip("malloc has another heap here");
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl_kernel *k;
	uintptr_t start, end;
	struct uhmm_cl *cl;
	pthread_t thread;

	for (size_t i = 0; i < NR; i++) {
		block[i] = calloc(WORDS, sizeof(uint64_t));
		CHECK(block[i]);
	}
	heap_range(&start, &end); /* or skip */
	cl = test_cl(u, "64M");
	k = test_cl_kernel(cl, test_cl_add, "add");
	CHECK_EQ(pthread_create(&thread, NULL, allocator, NULL), 0);
	for (size_t run = 0; run < RUNS; run++) {
		uint64_t *p = block[run * 100];
		int err;

		heap_range(&start, &end);
		CHECK(uhmm_migrate(u, (void *)start, end - start,
				   uhmm_cl_device(cl)) > 0);
		err = test_cl_run_add(k, p, 1, run + 1, NULL, NULL);
		if (err)
			fprintf(stderr, "%s\n", uhmm_cl_message(cl));
		CHECK_EQ(err, 0);
		for (size_t i = 0; i < WORDS; i++)
			CHECK_EQ(p[i], i < PAGE_WORDS ? run + 1 : 0);
	}
	atomic_store(&stop, 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (size_t i = 0; i < NR; i++)
		free(block[i]);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
