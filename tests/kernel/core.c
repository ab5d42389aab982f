// SPDX-License-Identifier: MIT
/*
 * core.c - a core file has the device pages of the process that died.
 *
 * also: ring
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

#define NPAGES 16UL
#define CORE   "/tmp/core" /* where the machine puts them */

static void child(char *at)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	CHECK_EQ(setrlimit(RLIMIT_CORE, &all), 0);
	all_out(at, NPAGES);
	abort();
}

/* Pages of @at that stand in the file, in order. */
static size_t count_pages(const char *at)
{
	int fd = open(CORE, O_RDONLY);
	char page[PAGE];
	size_t found = 0;

	CHECK(fd >= 0);
	while (found < NPAGES && read(fd, page, PAGE) == (long)PAGE)
		if (memcmp(page, at + found * PAGE, PAGE) == 0)
			found++;
	close(fd);
	return found;
}

int main(int argc, char **argv)
{
	int pid, status;
	char *at;

	start(argc, argv);
	at = map_pages(NPAGES);
	fill(at, NPAGES, 1);
	unlink(CORE);
	pid = fork();
	if (pid == 0)
		child(at);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
	CHECK(WCOREDUMP(status));
	CHECK_EQ(count_pages(at), NPAGES);
	return 0;
}
