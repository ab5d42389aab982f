// SPDX-License-Identifier: MIT
/*
 * With UHMM_OPEN_FORK pages stay on devices during a fork(2), where the kernel
 * tells of forks and threads serve faults: the child has a context that goes
 * on, and no page comes home.  Each process sees the data of the time of the
 * fork and its own writes, whichever process writes, ends or is killed first.
 * The devices that a child inherits take no new pages; its own devices do.
 */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES	1100
#define NR_AWAY 1000
#define KILLED	9

static struct uhmm *u;
static struct uhmm_device *dev;
static char *p;
static bool kept;

static void wait_for(pid_t pid, int wanted)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, wanted);
}

/* In a child: the context that it is to use, and where its pages are. */
static struct uhmm *inherit(struct uhmm *old)
{
	struct uhmm *v = NULL;

	CHECK_EQ(uhmm_migrate(old, p, NPAGES * PAGE, NULL), -ENODEV);
	CHECK_EQ(uhmm_inherit(old, &v), kept ? 0 : -ENOENT);
	CHECK_EQ(uhmm_inherit(old, &v), -ENOENT);
	if (!kept)
		return test_open();
	CHECK_EQ(test_stats(v).device_pages, NR_AWAY);
	CHECK_EQ(test_stats(v).ram_pages, NPAGES - NR_AWAY);
	CHECK_EQ(test_stats(v).faults, 0);
	return v;
}

/* New devices take pages, inherited ones do not, and all is as it should be. */
static void use(struct uhmm *v, uint64_t seed)
{
	struct uhmm_device *own = test_device(v, "ram:16M");

	test_verify(p, NPAGES, seed);
	if (kept) { /* those that came home are its own, not shared */
		test_move(v, p, NPAGES / 2, own);
		test_verify(p, NPAGES, seed);
	}
	test_fill(p, NPAGES, seed + 100);
	test_move(v, p, NPAGES, own);
	test_verify(p, NPAGES, seed + 100);
	test_close(v);
	test_verify(p, NPAGES, seed + 100);
}

_Noreturn static void child(void)
{
	struct uhmm *v = inherit(u);

	use(v, 1);
	_exit(0);
}

/* Nothing comes home for it, and what the child does stays its own. */
static void one_child(void)
{
	pid_t pid = fork();

	if (!pid)
		child();
	wait_for(pid, 0);
	CHECK_EQ(test_count_on(u, p, NPAGES, dev), kept ? NR_AWAY : 0);
	test_verify(p, NPAGES, 1);
}

static void children_of_children(void)
{
	struct uhmm *v;
	pid_t pid = fork();

	if (!pid) {
		v = inherit(u);
		pid = fork();
		if (!pid) {
			CHECK_EQ(uhmm_inherit(v, &v), kept ? 0 : -ENOENT);
			use(kept ? v : test_open(), 1);
			_exit(0);
		}
		wait_for(pid, 0);
		use(v, 1);
		_exit(0);
	}
	wait_for(pid, 0);
	test_verify(p, NPAGES, 1);
}

/* The parent's device pages are another's before the child looks. */
static void parent_writes(void)
{
	int pipes[2];
	pid_t pid;
	char c;

	CHECK_EQ(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		struct uhmm *v = inherit(u);

		CHECK_EQ(read(pipes[0], &c, 1), 1);
		use(v, 1);
		_exit(0);
	}
	test_fill(p, NPAGES, 2);
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(write(pipes[1], "", 1), 1);
	wait_for(pid, 0);
	test_verify(p, NPAGES, 2);
	close(pipes[0]);
	close(pipes[1]);
}

/* The child's child goes on when the child is killed, right after the fork. */
static void killed_parent(void)
{
	int pipes[2];
	pid_t pid;
	char c = 1;

	CHECK_EQ(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		pid_t parent = getpid();

		pid = fork();
		if (pid)
			raise(SIGKILL);
		while (getppid() == parent)
			sched_yield();
		test_verify(p, NPAGES, 1);
		c = 0;
		CHECK_EQ(write(pipes[1], &c, 1), 1);
		_exit(0);
	}
	wait_for(pid, KILLED);
	close(pipes[1]);
	CHECK_EQ(read(pipes[0], &c, 1), 1);
	CHECK_EQ(c, 0);
	close(pipes[0]);
}

static void put_away(void)
{
	test_fill(p, NPAGES, 1); /* shared pages would stay */
	test_move(u, p, NR_AWAY, dev);
}

int main(void)
{
	static void (*const ways[])(void) = {
		one_child,
		children_of_children,
		parent_writes,
		killed_parent,
	};
	struct uhmm *v;

	p = test_map(NPAGES);
	u = test_open_with((struct uhmm_params){
		.flags = UHMM_OPEN_FORK,
		.ram_limit = (uint64_t)1 << 30, /* so that RAM is counted */
	});
	CHECK_EQ(uhmm_register(u, p, NPAGES * PAGE), 0);
	dev = test_device(u, "ram:16M");
	kept = test_has(u, "fork") && test_has(u, "threads");
	CHECK_EQ(uhmm_inherit(u, &v), -ENOENT);
	CHECK_EQ(uhmm_inherit(NULL, &v), -EINVAL);
	CHECK_EQ(uhmm_inherit(u, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		put_away();
		ways[i]();
	}
	test_close(u);
	return 0;
}
