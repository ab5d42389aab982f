// SPDX-License-Identifier: MIT
/*
 * Work is cut down to single groups where their pages do not fit together, and
 * refused with a sentence where those of one group do not fit alone.
 */
#include "opencl.h"

#define DEVICE_PAGES 64
#define NPAGES	     1024

/* Each work-item needs @per pages, far apart, and asks for one at a time. */
static const char source[] =
	"__kernel void sparse(UHMM_ARGS, ulong data, ulong stride, uint per)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	for (uint i = 0; i < per; i++)\n"
	"		if (!uhmm_need(&u, data + ((get_global_id(0) +\n"
	"			i * stride) << 12), 8, UHMM_WRITE))\n"
	"			return;\n"
	"	for (uint i = 0; i < per; i++)\n"
	"		++*(__global ulong *)uhmm_at(&u, data +\n"
	"			((get_global_id(0) + i * stride) << 12),\n"
	"			UHMM_WRITE);\n"
	"	UHMM_END(u);\n"
	"}\n";

static struct uhmm_cl_stats stats = { .size = sizeof(stats) };

static int run(struct uhmm_cl_kernel *k, void *p, uint32_t per, uint64_t local)
{
	uint64_t stride = NPAGES / per;
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(p),
		UHMM_CL_VAL(stride),
		UHMM_CL_VAL(per),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { stride },
		.local = { local },
		.args = args,
		.nr_args = 3,
	};

	return uhmm_cl_run(k, &launch, &stats);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "256K");
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, source, "sparse");
	uint64_t *p = test_map_blocks(NPAGES / BLOCK_PAGES);

	/* as much as fits, for each */
	CHECK_EQ(run(k, p, DEVICE_PAGES, 0), 0);
	CHECK(stats.splits > 0);
	CHECK_EQ(run(k, p, DEVICE_PAGES / 4, 4), 0);
	for (size_t i = 0; i < NPAGES; i++)
		CHECK_EQ(p[i * PAGE_WORDS], 2);

	CHECK_EQ(run(k, p, 2 * DEVICE_PAGES, 0), -ENOSPC);
	CHECK(strstr(uhmm_cl_message(cl), "64 pages"));
	CHECK_EQ(run(k, p, DEVICE_PAGES / 4, 8), -ENOSPC);
	CHECK_EQ(run(k, p, 8, 8), 0);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
