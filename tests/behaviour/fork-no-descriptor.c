// SPDX-License-Identifier: MIT
/*
 * A process that may open no more descriptors, nor raise its limit, forks.  The
 * child has all pages, those that were away among them, and so has the parent.
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../context.h"

#define NPAGES 700

/* Privilege can raise a hard limit. */
static void use_all_numbers(void)
{
	const struct rlimit most = { 24, 24 };
	int last = 0;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &most), 0);
	while (last >= 0)
		last = dup(STDERR_FILENO);
}

static void fork_once(const char *p)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		test_verify(p, NPAGES, 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_verify(p, NPAGES, 1);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "zram:16M");
	char *p = test_map(NPAGES);

	test_fill(p, NPAGES, 1);
	use_all_numbers();
	for (int i = 0; i < 3; i++) {
		test_move(u, p, NPAGES, dev);
		fork_once(p);
	}
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_close(u);
	return 0;
}
