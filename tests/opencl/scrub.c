// SPDX-License-Identifier: MIT
/*
 * With scrub=yes nothing of a page is left on the device when it has gone: a
 * kernel looks through all of the device's memory.
 */
#include "opencl.h"

#define NPAGES 512

static const char source[] =
	"__kernel void look(UHMM_ARGS, ulong npages, ulong out)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	__global ulong *p = (__global ulong *)uhmm_pool;\n"
	"	__global ulong *sum = uhmm_at(&u, out, UHMM_WRITE);\n"
	"	if (!sum)\n"
	"		return;\n"
	"	*sum = 0;\n"
	"	for (ulong i = 0; i < npages * 512; i++)\n"
	"		*sum += p[i] == 0x5ec2e7;\n"
	"	UHMM_END(u);\n"
	"}\n";

/* Words of the device that are the secret. */
static uint64_t look(struct uhmm_cl_kernel *k, uint64_t *out)
{
	const uint64_t npages = 2 * NPAGES;
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_VAL(npages),
		UHMM_CL_PTR(out),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { 1 },
		.args = args,
		.nr_args = 2,
	};

	CHECK_EQ(uhmm_cl_run(k, &launch, NULL), 0);
	return *out;
}

int main(void)
{
	uint64_t *secret = test_map_blocks(1), *out = test_map_blocks(1);
	struct uhmm *u = test_open();
	struct uhmm_device *dev;
	struct uhmm_cl_kernel *k;
	struct uhmm_cl *cl;
	char spec[300];

	snprintf(spec, sizeof(spec), "%s,scrub=yes", test_cl_spec("4M"));
	test_cl_device(u, "1M"); /* skips where there is none */
	CHECK_EQ(uhmm_cl_open(u, spec, &cl), 0);
	dev = uhmm_cl_device(cl);
	k = test_cl_kernel(cl, source, "look");
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		secret[i] = 0x5ec2e7;
	test_move(u, secret, NPAGES, dev);
	CHECK_EQ(look(k, out), NPAGES * PAGE_WORDS);
	CHECK_EQ(secret[0], 0x5ec2e7); /* and some with it, perhaps */
	CHECK_SOON(look(k, out) < NPAGES * PAGE_WORDS);
	CHECK_EQ(munmap(secret, BLOCK), 0);
	CHECK_SOON(look(k, out) == 0);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
