// SPDX-License-Identifier: MIT
/*
 * While kernels run, a thread of the CPU reads and writes other pages of the
 * same array, and now and then those of the kernel: nothing is lost on either
 * side.  Odd pages are the CPU's, even ones the kernel's.
 */
#include "opencl.h"

#define NPAGES 512
#define RUNS   20

static const char source[] =
	"__kernel void odd(UHMM_ARGS, ulong data)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong at = data + get_global_id(0) * 8192;\n"
	"	if (!uhmm_need(&u, at, 4096, UHMM_WRITE))\n"
	"		return;\n"
	"	__global ulong *p = uhmm_at(&u, at, UHMM_WRITE);\n"
	"	for (uint i = 0; i < 512; i++)\n"
	"		p[i]++;\n"
	"	UHMM_END(u);\n"
	"}\n";

static volatile uint64_t *p;
static _Atomic uint32_t rounds, stop;

static volatile uint64_t *page(size_t i)
{
	return p + i * PAGE_WORDS;
}

static void *beside(void *arg)
{
	uint64_t seen = 0;

	(void)arg;
	while (!atomic_load(&stop)) {
		uint32_t n = atomic_load(&rounds);

		for (size_t i = 1; i < NPAGES; i += 2) {
			CHECK_EQ(page(i)[i], n);
			page(i)[i]++;
		}
		/* what the kernel counts only grows */
		CHECK(page(n % NPAGES & ~(size_t)1)[5] + 1 >= seen / RUNS);
		seen = page(0)[5];
		CHECK(seen <= RUNS);
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "8M");
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, source, "odd");
	struct uhmm_cl_arg arg;
	struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { NPAGES / 2 },
		.args = &arg,
		.nr_args = 1,
	};
	pthread_t thread;

	p = test_map_blocks(1);
	arg = (struct uhmm_cl_arg)UHMM_CL_PTR((void *)p);
	test_move(u, (void *)p, NPAGES, uhmm_cl_device(cl));
	CHECK_EQ(pthread_create(&thread, NULL, beside, NULL), 0);
	for (int i = 0; i < RUNS; i++) {
		uint32_t before = atomic_load(&rounds);
		int err = uhmm_cl_run(k, &launch, NULL);

		if (err)
			fprintf(stderr, "%s\n", uhmm_cl_message(cl));
		CHECK_EQ(err, 0);
		CHECK_SOON(atomic_load(&rounds) > before);
	}
	atomic_store(&stop, 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (size_t i = 0; i < NPAGES; i++)
		for (size_t w = 0; w < PAGE_WORDS; w++)
			CHECK_EQ(page(i)[w],
				 i % 2 ? (w == i ? rounds : 0) : RUNS);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
