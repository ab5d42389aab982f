/* SPDX-License-Identifier: MIT */
/*
 * opencl.h - a device of OpenCL for a test, and kernels.
 *
 * UHMM_TEST_COPY is "direct" or "queue": the way in which pages are copied.
 * UHMM_TEST_CL_DEVICE says which device, as "platform=1,device=0".
 */
#ifndef UHMM_TEST_OPENCL_H
#define UHMM_TEST_OPENCL_H

#include <pthread.h>

#include <uhmm/opencl.h>

#include "../context.h"

/* A specification for @size, as "16M"; good until the next call. */
static inline const char *test_cl_spec(const char *size)
{
	static char spec[256];
	const char *copy = getenv("UHMM_TEST_COPY");
	const char *device = getenv("UHMM_TEST_CL_DEVICE");

	snprintf(spec, sizeof(spec), "opencl:%s,copy=%s%s%s", size,
		 copy ? copy : "auto", device ? "," : "", device ? device : "");
	return spec;
}

static int test_cl_level;

static inline void test_cl_log(void *arg, int level, const char *msg)
{
	(void)arg;
	test_cl_level = level;
	fprintf(stderr, "%s\n", msg);
}

/* Skips where there is no platform, and where memory cannot be shared. */
static inline struct uhmm_device *test_cl_device(struct uhmm *u,
						 const char *size)
{
	struct uhmm_device *dev;
	int err;

	err = uhmm_device_open(u, test_cl_spec(size), &dev);
	if (err == -ENODEV || err == -ENOENT)
		test_skip("no device of OpenCL");
	if (err == -EOPNOTSUPP)
		test_skip("the CPU cannot reach the memory of this device");
	CHECK_EQ(err, 0);
	return dev;
}

static inline struct uhmm_cl *test_cl(struct uhmm *u, const char *size)
{
	struct uhmm_cl *cl;

	CHECK_EQ(uhmm_cl_attach(u, test_cl_device(u, size), &cl), 0);
	return cl;
}

static inline struct uhmm_cl_kernel *
test_cl_kernel(struct uhmm_cl *cl, const char *source, const char *name)
{
	struct uhmm_cl_kernel *kernel;
	int err = uhmm_cl_build(cl, source, "", name, &kernel);

	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	CHECK_EQ(err, 0);
	return kernel;
}

/*
 * A work-item a page: each word of @data becomes its own plus @add.  Not to be
 * repeated: so a work-item needs all before it begins.
 */
static const char test_cl_add[] =
	"__kernel void add(UHMM_ARGS, ulong data, ulong npages, ulong add)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong at = data + get_global_id(0) * 4096, len = 4096;\n"
	"	if (!uhmm_need(&u, at, len, UHMM_WRITE))\n"
	"		return;\n"
	"	while (len) {\n"
	"		ulong part = len;\n"
	"		__global ulong *p = uhmm_span(&u, at, &part, 1);\n"
	"		for (ulong i = 0; i < part / 8; i++)\n"
	"			p[i] += add;\n"
	"		at += part;\n"
	"		len -= part;\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n";

static inline int test_cl_run_add(struct uhmm_cl_kernel *kernel, void *p,
				  size_t npages, uint64_t add,
				  const struct uhmm_cl_range *range,
				  struct uhmm_cl_stats *stats)
{
	uint64_t n = npages;
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(p),
		UHMM_CL_VAL(n),
		UHMM_CL_VAL(add),
	};
	const struct uhmm_cl_launch launch = {
		.size = sizeof(launch),
		.dims = 1,
		.global = { npages },
		.args = args,
		.nr_args = 3,
		.ranges = range,
		.nr_ranges = range ? 1 : 0,
	};

	return uhmm_cl_run(kernel, &launch, stats);
}

#endif
