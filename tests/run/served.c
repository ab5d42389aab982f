// SPDX-License-Identifier: MIT
/*
 * A program with two contexts that "uhmm stat" may ask, charge groups, and a
 * forked child.  It says the child's PID when all is in place, and ends with
 * its standard input.
 */
#include <sys/wait.h>

#include "../group.h"

#define NPAGES BLOCK_PAGES

static struct uhmm *served(void)
{
	return test_open_with((struct uhmm_params){ .flags = UHMM_OPEN_STAT });
}

static void fill_groups(struct uhmm *u)
{
	struct uhmm_device *dev = test_device(u, "ram:16M");
	struct uhmm_group *a = test_group(u, NULL, "front");
	struct uhmm_group *b = test_group(u, a, "cache");
	char *p = test_map_blocks(1);

	CHECK_EQ(uhmm_charge(u, p, BLOCK, b), 0);
	test_fill(p, NPAGES, 1);
	test_limit(a, NULL, (size_t)64 << 20);
	test_limit(b, dev, (size_t)8 << 20);
	test_move(u, p, 256, dev);
}

static pid_t child(void)
{
	pid_t pid = fork();
	char c;

	CHECK(pid >= 0);
	if (pid)
		return pid;
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	exit(0); /* its parent's sockets stay */
}

int main(void)
{
	struct uhmm *u = served(), *gone = served(), *second = served();
	pid_t pid;
	char c;

	test_close(gone);
	alarm(100);
	pid = child();
	fill_groups(u);
	test_device(second, "ram:1M");
	printf("%d\n", pid);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	waitpid(pid, NULL, 0);
	test_close(second);
	return 0; /* the other one is never closed */
}
