// SPDX-License-Identifier: MIT
/*
 * Pages shared with a child since fork(2) either stay, for the reason
 * "shared", or go; in both cases parent and child keep their own data.  When
 * the child is gone and the parent has written, they all go.  When the child is
 * gone and nobody has written, they go, too, and one device may have them.
 */
#include <sys/wait.h>

#include "../mirror.h"

#define NPAGES 600

static uint8_t why[NPAGES];

static void child(const char *p, int ready)
{
	char c;

	CHECK_EQ(read(ready, &c, 1), 1);
	test_verify(p, NPAGES, 1);
	_exit(0);
}

static void check_why(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	size_t shared = 0;
	ssize_t n;

	n = uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why);
	for (size_t i = 0; i < NPAGES; i++) {
		CHECK(why[i] == UHMM_WHY_SHARED || why[i] == UHMM_WHY_OK);
		shared += why[i] == UHMM_WHY_SHARED;
	}
	CHECK_EQ(n, NPAGES - shared);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), n);
	if (test_has(u, "move") && test_has(u, "scan"))
		CHECK_EQ(shared, NPAGES);
}

/* Shared with a child that has ended: nothing says so but a refusal. */
static void left_behind(char *p, uint64_t seed)
{
	int status;
	pid_t pid;

	test_fill(p, NPAGES, seed);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static void check_left_behind(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	struct test_table t;

	left_behind(p, 3);
	CHECK_EQ(uhmm_migrate_why(u, p, NPAGES * PAGE, dev, why), NPAGES);
	test_verify(p, NPAGES, 3);
	left_behind(p, 4);
	test_mirror(u, &t, p, dev);
	test_fault(&t, p, 16, UHMM_FAULT_EXCLUSIVE);
	CHECK_EQ(test_entries(&t, p, 16, UHMM_PFN_WRITE), 16);
	CHECK_EQ(uhmm_mirror_remove(t.mirror), 0);
	test_verify(p, NPAGES, 4);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);
	int pipes[2], status;
	pid_t pid;

	test_fill(p, NPAGES, 1);
	CHECK_EQ(pipe(pipes), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(p, pipes[0]);
	check_why(u, dev, p);
	test_verify(p, NPAGES, 1);
	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev); /* copied on write: the parent's own */
	CHECK_EQ(write(pipes[1], "", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	test_verify(p, NPAGES, 2);
	check_left_behind(u, dev, p);
	test_close(u);
	return 0;
}
