// SPDX-License-Identifier: MIT
/*
 * A thread maps new memory over managed memory, and another one forks before
 * the library knows of that: the new memory is there in later children.  Where
 * managed memory is hidden from processes that are not announced, it must not
 * stay hidden.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../held.h"

#define NPAGES 8

static char *area;

static void *map_over(void *arg)
{
	CHECK(mmap(area, NPAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	return arg;
}

/* The child reads what it is to read, or nothing. */
static void fork_child(bool reads)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid && reads)
		test_verify(area, NPAGES, 1);
	if (!pid)
		_exit(0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	struct uhmm *u = test_open();
	pthread_t t;

	area = test_map_blocks(1);
	CHECK_EQ(uhmm_register(u, area + PAGE, (NPAGES - 1) * PAGE), 0);
	held_watch(area);
	CHECK_EQ(pthread_create(&t, NULL, map_over, NULL), 0);
	held_wait();
	fork_child(false);
	held_let_go();
	CHECK_EQ(pthread_join(t, NULL), 0);
	test_fill(area, NPAGES, 1);
	fork_child(true);
	test_close(u);
	return 0;
}
