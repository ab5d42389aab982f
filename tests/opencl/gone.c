// SPDX-License-Identifier: MIT
/*
 * OpenCL says in the middle of a copy that the device is not available any
 * more: it is lost, what was there raises SIGBUS, runs end with -ENODEV, and
 * all else is as it was.
 */
#include <dlfcn.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "opencl.h"

#define NPAGES 64

static _Atomic bool is_gone;

/* In the place of OpenCL's own, which the module calls. */
cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
			   size_t offset, size_t size, void *p, cl_uint nr_wait,
			   const cl_event *wait, cl_event *event)
{
	__typeof__(&clEnqueueReadBuffer) real =
		dlsym(RTLD_NEXT, "clEnqueueReadBuffer");

	if (atomic_load(&is_gone))
		return CL_DEVICE_NOT_AVAILABLE;
	return real(queue, mem, blocking, offset, size, p, nr_wait, wait,
		    event);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm_cl_kernel *k;
	struct uhmm_cl *cl;
	struct uhmm *u;
	char *p, *other = test_map_blocks(1);

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	cl = test_cl(u, "8M,keep=no");
	dev = uhmm_cl_device(cl);
	k = test_cl_kernel(cl, test_cl_add, "add");
	p = test_map_blocks(1);
	test_fill(p, NPAGES, 1);
	test_fill(other, BLOCK_PAGES, 1);
	test_move(u, p, NPAGES, dev);
	atomic_store(&is_gone, true);
	CHECK_EQ(test_read_raises(p), SIGBUS);
	CHECK_EQ(test_info(dev).lost, 1);
	CHECK_EQ(test_read_raises(p + (NPAGES - 1) * PAGE), SIGBUS);
	CHECK_EQ(test_cl_run_add(k, other, 1, 1, NULL, NULL), -ENODEV);
	test_verify(other, BLOCK_PAGES, 1);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	uhmm_close(u);
	return 0;
}
