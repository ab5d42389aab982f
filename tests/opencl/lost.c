// SPDX-License-Identifier: MIT
/*
 * The device disappears while kernels run: the run ends with -ENODEV and so do
 * all after it, what was there raises SIGBUS, all else is as it was.
 */
#include "opencl.h"

#define NPAGES 1024

static struct uhmm_cl_kernel *k;
static char *p;
static _Atomic uint32_t runs;
static int last;

static void *run_main(void *arg)
{
	(void)arg;
	do {
		last = test_cl_run_add(k, p, NPAGES, 1, NULL, NULL);
		atomic_fetch_add(&runs, 1);
	} while (!last);
	return NULL;
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm_cl *cl;
	pthread_t thread;
	struct uhmm *u;
	char *other = test_map_blocks(1);

	test_catch(SIGBUS);
	u = test_open();
	uhmm_set_log(u, test_no_log, NULL);
	cl = test_cl(u, "8M");
	dev = uhmm_cl_device(cl);
	k = test_cl_kernel(cl, test_cl_add, "add");
	p = test_map_blocks(2);
	test_fill(other, BLOCK_PAGES, 1);
	CHECK_EQ(pthread_create(&thread, NULL, run_main, NULL), 0);
	CHECK_SOON(atomic_load(&runs) > 3);
	CHECK_EQ(uhmm_device_lost(dev), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(last, -ENODEV);
	CHECK(strstr(uhmm_cl_message(cl), "lost"));
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 1, NULL, NULL), -ENODEV);
	CHECK_EQ(test_read_raises(p), SIGBUS);
	test_verify(other, BLOCK_PAGES, 1);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	CHECK_EQ(uhmm_device_remove(dev), 0);
	uhmm_close(u);
	return 0;
}
