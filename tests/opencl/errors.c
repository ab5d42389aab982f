// SPDX-License-Identifier: MIT
/*
 * Bad input gets an errno and a sentence, and the device goes on: devices that
 * are not there or too small, kernels that do not build, addresses that a
 * kernel cannot have.
 */
#include <fcntl.h>

#include "opencl.h"

#define NPAGES 4

static int messages;
static char last[512];

static void count(void *arg, int level, const char *msg)
{
	(void)arg;
	(void)level;
	messages += msg && *msg;
	snprintf(last, sizeof(last), "%s", msg);
}

static void bad_specs(struct uhmm *u)
{
	static const struct {
		const char *spec;
		int err;
		const char *says;
	} bad[] = {
		{ "opencl:1M,platform=99", -ENODEV, "no usable device" },
		{ "opencl:1M,device=99", -ENODEV, "no usable device" },
		{ "opencl:900T", -ENOMEM, "more memory" },
		{ "opencl:platform=0,size=900T", -ENOMEM, "more memory" },
		{ "opencl:platform=0", -EINVAL, "there is no size; write" },
		{ "opencl:1M,size=2M", -EINVAL, "size=2M: there is a size" },
		{ "opencl:platform=0,size=x", -EINVAL, "size=x: not a size" },
		{ "opencl:1M,platform=x", -EINVAL, "platform=x: not a number" },
		{ "opencl:1M,device=-1", -EINVAL, "device=-1: not a number" },
		{ "opencl:1M,copy=fast", -EINVAL, "copy=fast: write auto" },
		{ "opencl:1M,scrub=maybe", -EINVAL, "scrub=maybe: write yes" },
		{ "opencl:1M,keep=maybe", -EINVAL, "keep=maybe: write yes" },
	};
	struct uhmm_device *dev = (void *)1;

	uhmm_set_log(u, count, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int err = uhmm_device_open(u, bad[i].spec, &dev);

		if (err != bad[i].err)
			fprintf(stderr, "%s: ", bad[i].spec);
		CHECK_EQ(err, bad[i].err);
		CHECK_EQ(messages, i + 1);
		if (!strstr(last, bad[i].says))
			CHECK_STR(last, bad[i].says);
		CHECK(dev == (void *)1);
	}
	uhmm_set_log(u, NULL, NULL);
}

static void bad_devices(struct uhmm *u)
{
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_cl *cl = (void *)1;

	CHECK_EQ(uhmm_cl_attach(u, dev, &cl), -EINVAL);
	CHECK_EQ(uhmm_cl_attach(u, NULL, &cl), -EINVAL);
	CHECK_EQ(uhmm_cl_open(u, "ram:1M", &cl), -EINVAL);
	CHECK_EQ(uhmm_cl_open(u, NULL, &cl), -EINVAL);
	CHECK(cl == (void *)1);
	CHECK_EQ(uhmm_cl_close(NULL), 0);
	uhmm_cl_free(NULL);
}

static void bad_programs(struct uhmm_cl *cl)
{
	struct uhmm_cl_kernel *k = (void *)1;

	CHECK_EQ(uhmm_cl_build(cl, "__kernel void f(UHMM_ARGS) { nosuch; }",
			       NULL, "f", &k),
		 -ENOEXEC);
	CHECK(strstr(uhmm_cl_message(cl), "nosuch"));
	CHECK_EQ(uhmm_cl_build(cl, test_cl_add, NULL, "other", &k), -ENOENT);
	CHECK(*uhmm_cl_message(cl));
	CHECK_EQ(uhmm_cl_build(cl, NULL, NULL, "add", &k), -EINVAL);
	CHECK(k == (void *)1);
}

static void bad_launches(struct uhmm_cl_kernel *k)
{
	char *p = test_map_blocks(1);
	uint64_t n = 1;
	struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(p),
		UHMM_CL_VAL(n),
		UHMM_CL_VAL(n),
	};
	struct uhmm_cl_launch l = { .size = sizeof(l),
				    .dims = 1,
				    .global = { 1 },
				    .args = args,
				    .nr_args = 3 };
	struct {
		struct uhmm_cl_launch l;
		uint64_t more;
	} newer = { .more = 0 };

	l.dims = 4;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	l.dims = 1;
	l.global[0] = 0;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	l.global[0] = 3;
	l.local[0] = 2;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	l.global[0] = 1;
	l.local[0] = 0;
	args[1].kind = 0;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	args[1].kind = UHMM_CL_VALUE;
	newer.l = l;
	newer.l.size = sizeof(newer);
	CHECK_EQ(uhmm_cl_run(k, &newer.l, NULL), 0);
	newer.more = 1;
	CHECK_EQ(uhmm_cl_run(k, &newer.l, NULL), -E2BIG);
	args[0].size--;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	args[0].size++;
	l.size--;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	l.size++;
	l.nr_args = 2;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	l.nr_args = 3;
	args[1].len = 4;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), -EINVAL);
	args[1].len = 8;
	CHECK_EQ(uhmm_cl_run(k, &l, NULL), 0);
	CHECK_EQ(uhmm_cl_run(NULL, &l, NULL), -EINVAL);
	CHECK_EQ(uhmm_cl_run(k, NULL, NULL), -EINVAL);
}

static void refused(struct uhmm_cl *cl, struct uhmm_cl_kernel *k, void *p,
		    int want)
{
	int err = test_cl_run_add(k, p, NPAGES, 1, NULL, NULL);

	if (err != want)
		fprintf(stderr, "%s: ", uhmm_cl_message(cl));
	CHECK_EQ(err, want);
	CHECK(*uhmm_cl_message(cl));
}

static void bad_addresses(struct uhmm *u, struct uhmm_cl *cl,
			  struct uhmm_cl_kernel *k)
{
	char *hole = test_map_blocks(1), *file, *locked = test_map_blocks(1);
	char *constant = test_map_blocks(1);
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK_EQ(munmap(hole + 2 * PAGE, PAGE), 0);
	refused(cl, k, hole, -EFAULT);
	refused(cl, k, NULL, -EFAULT);
	refused(cl, k, (void *)UINT64_C(0x7000000000000000), -EFAULT);
	file = mmap(NULL, NPAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	refused(cl, k, file, -EOPNOTSUPP);
	test_fill(constant, NPAGES, 1);
	CHECK_EQ(mprotect(constant, NPAGES * PAGE, PROT_READ), 0);
	refused(cl, k, constant, -EPERM);
	test_verify(constant, NPAGES, 1);
	CHECK_EQ(uhmm_pin(u, locked, NPAGES * PAGE), 0);
	refused(cl, k, locked, -EBUSY);
	CHECK_EQ(uhmm_unpin(u, locked, NPAGES * PAGE), 0);
	refused(cl, k, locked, 0);
	close(fd);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "2M");
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, test_cl_add, "add");
	char *p = test_map_blocks(1);

	bad_specs(u);
	bad_devices(u);
	bad_programs(cl);
	bad_launches(k);
	bad_addresses(u, cl, k);
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 1, NULL, NULL), 0);
	CHECK_EQ(((uint64_t *)p)[7], 1);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
