// SPDX-License-Identifier: MIT
/*
 * A process made by the bare system call clone(2), of which no handler of ours
 * hears: what was in RAM is its own, and a touch of what was away is SIGBUS,
 * never zeroes, in the process itself and in its children.  Its copy of the
 * context is of no use, and what it does disturbs the parent in nothing.
 *
 * Where the kernel does not tell of it, nothing that is managed is there, and a
 * touch is SIGSEGV.  It is there after a fork(2), and when the context is
 * closed.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES	700
#define NR_AWAY 300

static bool hidden;

static pid_t bare_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void check_memory(char *p)
{
	const uint64_t *w = (const uint64_t *)p;

	if (hidden) {
		for (size_t i = 0; i < NR_AWAY; i++)
			CHECK_EQ(test_read_raises(p + i * PAGE), SIGSEGV);
		return;
	}
	for (size_t i = 0; i < NR_AWAY; i++)
		CHECK_EQ(test_read_raises(p + i * PAGE), SIGBUS);
	for (size_t i = NR_AWAY * PAGE_WORDS; i < NPAGES * PAGE_WORDS; i++)
		CHECK_EQ(w[i], test_word(1, i));
}

_Noreturn static void check_and_exit(char *p)
{
	check_memory(p);
	_exit(0);
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void child(struct uhmm *u, struct uhmm_device *dev, char *p)
{
	pid_t pid;

	test_catch(SIGBUS);
	test_catch(SIGSEGV);
	check_memory(p);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, dev), -ENODEV);
	CHECK_EQ(uhmm_migrate(u, p, NPAGES * PAGE, NULL), -ENODEV);
	CHECK_EQ(uhmm_device_remove(dev), -ENODEV);
	CHECK_EQ(uhmm_close(u), -ENODEV);
	pid = bare_fork();
	if (!pid)
		check_and_exit(p);
	wait_for(pid);
	pid = fork();
	if (!pid)
		check_and_exit(p);
	wait_for(pid);
	_exit(0);
}

/* Which handlers of ours hear of. */
static void check_fork(char *p)
{
	pid_t pid = fork();

	if (!pid) {
		test_verify(p, NPAGES, 1);
		_exit(0);
	}
	wait_for(pid);
}

static void check_unmanaged(char *p)
{
	pid_t pid = bare_fork();

	if (!pid) {
		test_verify(p, NPAGES, 1);
		_exit(0);
	}
	wait_for(pid);
}

int main(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_map(NPAGES);

	hidden = !test_has(u, "fork") || !test_has(u, "poison");
	test_fill(p, NPAGES, 1);
	for (int round = 0; round < 3; round++) {
		pid_t pid;

		test_fill(p, NPAGES, 1); /* shared pages would stay */
		test_move(u, p, NR_AWAY, dev);
		pid = bare_fork();
		if (!pid)
			child(u, dev, p);
		CHECK(pid > 0);
		wait_for(pid);
		CHECK_EQ(test_count_on(u, p, NR_AWAY, dev), NR_AWAY);
		test_verify(p, NPAGES, 1);
		check_fork(p);
	}
	test_close(u);
	check_unmanaged(p);
	return 0;
}
