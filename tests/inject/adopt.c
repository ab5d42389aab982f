// SPDX-License-Identifier: MIT
/*
 * Shared memory is adopted, moves, and is shared with a child, while the n-th
 * call to the kernel fails, for each n.  No call has to succeed, but none loses
 * a page: both mappings always show the same, and a child finds the data or has
 * SIGSEGV.
 */
#include <pthread.h>
#include <sys/wait.h>

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
	n = 1 + (int64_t)test_below(&seed, (size_t)step);
	while (n < LAST && run(n))
		n += step;
	CHECK(n < LAST);
	return 0;
}
