// SPDX-License-Identifier: MIT
/*
 * Memory that the program keeps from its children by MADV_DONTFORK, managed,
 * and in part away: no child has it, not the second one either, and its data
 * are right in the program.  Where the kernel does not tell of forks, the
 * program has to say so again, in a handler that is older than the context.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "../context.h"

#define NPAGES	512
#define NR_AWAY 200
#define KEPT	100 /* pages from here to the end */

static char *p;

static void keep(void)
{
	CHECK_EQ(madvise(p + KEPT * PAGE, (NPAGES - KEPT) * PAGE,
			 MADV_DONTFORK),
		 0);
}

static void check_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		test_catch(SIGSEGV);
		test_verify(p, KEPT, 1);
		for (size_t i = KEPT; i < NPAGES; i++)
			CHECK_EQ(test_read_raises(p + i * PAGE), SIGSEGV);
		_exit(0);
	}
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	struct uhmm_device *dev;
	struct uhmm *u;

	p = test_map(NPAGES);
	CHECK_EQ(pthread_atfork(keep, NULL, NULL), 0);
	u = test_open();
	dev = test_device(u, "ram:16M");
	if (test_has(u, "fork") && test_has(u, "poison"))
		keep();
	for (int i = 0; i < 3; i++) {
		test_fill(p, NPAGES, 1); /* shared pages would stay */
		test_move(u, p, NR_AWAY, dev);
		check_child();
		test_verify(p, NPAGES, 1);
	}
	test_close(u);
	return 0;
}
