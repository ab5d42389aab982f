// SPDX-License-Identifier: MIT
/*
 * The CPU reads a page while a kernel is at work on it: what it sees is from
 * before a launch or from after it, and nothing that the kernel wrote is lost.
 */
#include "opencl.h"

#define STEPS 4000000
#define RUNS  10

/* Store by store, whatever the compiler thinks of it. */
static const char source[] =
	"__kernel void count(UHMM_ARGS, ulong data, ulong steps)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	__global volatile ulong *p = uhmm_at(&u, data, UHMM_WRITE);\n"
	"	if (!p)\n"
	"		return;\n"
	"	for (ulong i = 0; i < steps; i++)\n"
	"		p[i & 255]++;\n"
	"	UHMM_END(u);\n"
	"}\n";

static volatile uint64_t *p;
static _Atomic uint32_t stop, seen;

static void *reader(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t first = p[0], last;

		CHECK_EQ(first % (STEPS / 256), 0);
		last = p[255];
		CHECK(last >= first && last % (STEPS / 256) == 0);
		if (first && first < (uint64_t)RUNS * (STEPS / 256))
			atomic_fetch_add(&seen, 1);
	}
	return NULL;
}

int main(void)
{
	const uint64_t steps = STEPS;
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "2M");
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, source, "count");
	struct uhmm_cl_arg args[2];
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { 1 },
		.args = args,
		.nr_args = 2,
	};
	pthread_t thread;

	p = test_map_blocks(1);
	args[0] = (struct uhmm_cl_arg)UHMM_CL_PTR((const void *)p);
	args[1] = (struct uhmm_cl_arg)UHMM_CL_VAL(steps);
	CHECK_EQ(pthread_create(&thread, NULL, reader, NULL), 0);
	for (int i = 0; i < RUNS; i++) {
		int err = uhmm_cl_run(k, &launch, NULL);

		if (err)
			fprintf(stderr, "%s\n", uhmm_cl_message(cl));
		CHECK_EQ(err, 0);
	}
	atomic_store(&stop, 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 256; i++)
		CHECK_EQ(p[i], (uint64_t)RUNS * (STEPS / 256));
	printf("seen %u times in between\n", atomic_load(&seen));
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
