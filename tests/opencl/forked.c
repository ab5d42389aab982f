// SPDX-License-Identifier: MIT
/*
 * A child of fork(2) has the memory, and no device: calls are refused and
 * nothing hangs.  The parent goes on.
 */
#include <sys/wait.h>

#include "opencl.h"

#define NPAGES 300

static void child(struct uhmm *u, struct uhmm_cl *cl, struct uhmm_cl_kernel *k,
		  char *p)
{
	struct uhmm_cl_kernel *other;
	struct uhmm_cl *again;

	alarm(30);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(((uint64_t *)p)[i], test_word(1, i) + 3);
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 1, NULL, NULL), -ENODEV);
	CHECK_EQ(uhmm_cl_build(cl, test_cl_add, NULL, "add", &other), -ENODEV);
	CHECK(uhmm_cl_attach(u, uhmm_cl_device(cl), &again) < 0);
	uhmm_cl_free(k);
	uhmm_cl_close(cl);
	uhmm_close(u);
	_exit(0);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_cl *cl = test_cl(u, "4M");
	struct uhmm_cl_kernel *k = test_cl_kernel(cl, test_cl_add, "add");
	uint64_t *p = test_map_blocks(1);
	int status;
	pid_t pid;

	test_fill(p, NPAGES, 1);
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 3, NULL, NULL), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(u, cl, k, (char *)p);
	/* while the child may have the pages still, and afterwards */
	CHECK_EQ(test_cl_run_add(k, p, NPAGES / 2, 0, NULL, NULL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(test_cl_run_add(k, p, NPAGES, 4, NULL, NULL), 0);
	for (size_t i = 0; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(p[i], test_word(1, i) + 7);
	CHECK_EQ(uhmm_cl_close(cl), 0);
	test_close(u);
	return 0;
}
