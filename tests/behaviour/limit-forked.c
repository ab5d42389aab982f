// SPDX-License-Identifier: MIT
/*
 * Pages that came home for a read, and that a fork(2) has then shared with a
 * child, leave again: while the child lives, and when it is gone.
 */
#include <sys/wait.h>

#include "../context.h"

#define LIMIT  ((size_t)4 << 20)
#define NPAGES (4 * LIMIT / PAGE)

static struct uhmm *u;
static char *p;

/* Backwards, so that it is no stream: pages of a stream keep no copy. */
static void read_back(size_t n)
{
	while (n--)
		CHECK_EQ(((volatile uint64_t *)p)[n * PAGE_WORDS],
			 test_word(1, n * PAGE_WORDS));
}

static pid_t fork_waiting(int ready)
{
	pid_t pid = fork();
	struct uhmm *v;
	char c;

	CHECK(pid >= 0);
	if (pid)
		return pid;
	CHECK_EQ(read(ready, &c, 1), 1);
	if (uhmm_inherit(u, &v) != -ENOENT)
		u = v;
	test_verify(p, NPAGES, 1);
	_exit(0);
}

static void end_child(pid_t pid, int ready)
{
	int status;

	CHECK_EQ(write(ready, "", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* A quarter of the pages that are home may stay, and the others leave. */
static void check_leave(void)
{
	uint64_t before = test_stats(u).limit_exceeded;

	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT / 4), 0);
	CHECK_SOON(test_stats(u).ram_pages <= LIMIT / 4 / PAGE);
	CHECK_EQ(test_stats(u).limit_exceeded, before);
	CHECK_EQ(uhmm_set_ram_limit(u, LIMIT), 0);
	read_back(NPAGES);
}

int main(void)
{
	int pipes[2];
	pid_t pid;

	u = test_open_with((struct uhmm_params){ .ram_limit = LIMIT,
						 .flags = UHMM_OPEN_FORK });
	test_device(u, "ram:64M");
	p = test_map_blocks(NPAGES * PAGE / BLOCK);
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	CHECK_EQ(pipe(pipes), 0);
	test_fill(p, NPAGES, 1);
	read_back(NPAGES);
	pid = fork_waiting(pipes[0]);
	check_leave();
	end_child(pid, pipes[1]);
	end_child(fork_waiting(pipes[0]), pipes[1]);
	check_leave();
	test_close(u);
	return 0;
}
