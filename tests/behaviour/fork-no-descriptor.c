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
#define MOST   24

/* Privilege can raise a hard limit. */
static unsigned use_all_numbers(int fds[MOST])
{
	const struct rlimit most = { MOST, MOST };
	unsigned nr = 0;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &most), 0);
	while (nr < MOST && (fds[nr] = dup(STDERR_FILENO)) >= 0)
		nr++;
	CHECK_EQ(dup(STDERR_FILENO), -1);
	return nr;
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
	int fds[MOST];
	unsigned nr;

	test_fill(p, NPAGES, 1);
	nr = use_all_numbers(fds);
	for (int i = 0; i < 3; i++) {
		test_move(u, p, NPAGES, dev);
		fork_once(p);
	}
	while (nr--)
		close(fds[nr]);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	test_close(u);
	return 0;
}
