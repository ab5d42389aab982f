// SPDX-License-Identifier: MIT
/*
 * A limit on RAM holds for adopted memory: for what was in it before, and for
 * what a child was the first to touch, when the child has ended.
 */
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include "../object.h"

#define NPAGES 2048
#define LIMIT  512

static time_t seconds(void)
{
	struct timespec t;

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return t.tv_sec;
}

static void comes_under_the_limit(struct uhmm *u, struct uhmm_device *dev,
				  char *p)
{
	time_t end = seconds() + 20;

	while (test_count_on(u, p, NPAGES, dev) < NPAGES - LIMIT &&
	       seconds() < end)
		sched_yield();
	CHECK(test_count_on(u, p, NPAGES, dev) >= NPAGES - LIMIT);
}

int main(void)
{
	struct uhmm_params with = { .ram_limit = LIMIT * PAGE };
	struct uhmm *u = test_open_with(with);
	struct uhmm_device *dev = test_device(u, "ram:16M");
	char *p = test_shared(NPAGES);
	struct uhmm_object *o;
	pid_t pid;
	int status;

	test_fill(p, NPAGES, 1);
	o = test_adopt(u, p);
	comes_under_the_limit(u, dev, p);
	test_verify(p, NPAGES, 1);
	comes_under_the_limit(u, dev, p);

	CHECK_EQ(uhmm_object_discard(o, 0, NPAGES * PAGE), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		test_verify_zero(p, NPAGES);
		test_fill(p, NPAGES, 2);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	comes_under_the_limit(u, dev, p);
	test_verify(p, NPAGES, 2);
	CHECK_EQ(uhmm_object_destroy(o), 0);
	test_verify(p, NPAGES, 2);
	test_close(u);
	return 0;
}
