// SPDX-License-Identifier: MIT
/*
 * Shared memory is adopted, moves, and is shared with a child, while the n-th
 * call to the kernel fails, for each n.  No call has to succeed, but none loses
 * a page: both mappings always show the same, and a child finds the data or has
 * SIGSEGV.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include "../object.h"
#include "sys/fail.h"

#define NPAGES 6
#define LAST   100000

static char *p, *q;

static bool is_documented(int64_t ret)
{
	return ret >= 0 || ret == -ENOMEM || ret == -EMFILE || ret == -ENOSPC ||
	       ret == -EIO || ret == -EBUSY || ret == -EOPNOTSUPP;
}

static void fork_and_see(uint64_t seed)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		int sig = test_read_raises(q);

		if (!sig)
			test_verify(q, NPAGES, seed);
		_exit(sig && sig != SIGSEGV);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void live(struct uhmm *u, struct uhmm_device *dev)
{
	for (uint64_t seed = 1; seed < 4; seed++) {
		test_fill(p, NPAGES, seed);
		CHECK(is_documented(uhmm_migrate(u, q, NPAGES * PAGE, dev)));
		test_verify(q, 1, seed);
		if (seed == 2)
			fork_and_see(seed);
		test_verify(p, NPAGES, seed);
	}
	CHECK(is_documented(uhmm_migrate(u, q, NPAGES * PAGE, dev)));
}

/* Return: whether the n-th call was reached. */
static bool run(int64_t n)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_object *o;
	const char *what;
	int err;

	uhmm_set_log(u, test_no_log, NULL);
	p = test_shared(NPAGES);
	test_fill(p, NPAGES, 3);
	q = test_again(p, NPAGES);
	sys_fail_arm(n);
	err = uhmm_object_adopt(u, p, UHMM_OBJECT_SOLE, &o);
	CHECK(is_documented(err));
	if (!err) {
		live(u, dev);
		CHECK(is_documented(uhmm_object_is_mapped(o)));
		CHECK(is_documented(uhmm_object_destroy(o)));
	}
	what = sys_fail_disarm();
	test_verify(q, NPAGES, 3);
	uhmm_close(u);
	p[0] = 1;
	CHECK_EQ(q[0], 1);
	CHECK_EQ(munmap(p, NPAGES * PAGE), 0);
	CHECK_EQ(munmap(q, NPAGES * PAGE), 0);
	return what != NULL;
}

/* ---- While a child has it ---- */

static bool child_has_it(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		_exit(test_read_raises(q) != 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * The n-th call of a move fails, which is refused anyway.  The next child has
 * the memory all the same.  The library asks for children every 20 ms.
 */
static void refused_move(struct uhmm *u, struct uhmm_device *dev, int64_t n)
{
	uint64_t until = now_ms() + 25;

	while (now_ms() < until)
		sched_yield();
	sys_fail_arm(n);
	CHECK(uhmm_migrate(u, q, PAGE, dev) <= 0);
	sys_fail_disarm();
	CHECK(child_has_it());
}

static void shared_meanwhile(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "ram:1M");
	struct uhmm_object *o;
	pid_t pid;

	p = test_shared(NPAGES);
	test_fill(p, NPAGES, 1);
	q = test_again(p, NPAGES);
	o = test_adopt(u, p);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		alarm(30);
		pause();
	}
	for (int64_t n = 1; n < 40; n++)
		refused_move(u, dev, n);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_close(u);
}

/* The first handler of a child: what the library does there always works. */
static void works_in_child(void)
{
	sys_fail_disarm();
}

int main(void)
{
	int64_t step = test_is_soak() ? 1 : 9, n;
	uint64_t seed = test_seed();
	struct uhmm *u;

	CHECK_EQ(pthread_atfork(NULL, NULL, works_in_child), 0);
	u = test_open();
	test_catch(SIGSEGV);
	uhmm_object_destroy(test_adopt(u, test_shared(1))); /* or skip */
	test_close(u);
	shared_meanwhile();
	n = 1 + (int64_t)test_below(&seed, (size_t)step);
	while (n < LAST && run(n))
		n += step;
	CHECK(n < LAST);
	return 0;
}
