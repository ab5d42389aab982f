// SPDX-License-Identifier: MIT
/*
 * A signal arrives while a system call waits for a page to come home: the
 * fault repeats itself until the page is there, then the call succeeds and the
 * signal is delivered.
 */
#include "../device.h"

static struct test_ops ops;
static atomic_int signals;
static char *buf;
static int fd[2];

static void on_usr1(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static void *reader(void *arg)
{
	(void)arg;
	CHECK_EQ(read(fd[0], buf, 2 * PAGE), 2 * PAGE);
	return NULL;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_usr1,
				 .sa_flags = SA_RESTART };
	static char data[2 * MAX_PAGE];
	struct uhmm_device *dev;
	struct uhmm *u;
	pthread_t t;

	u = test_open();
	if (test_has(u, "inline") || !test_has(u, "kernel-faults"))
		test_skip("system calls do not wait for pages in this mode");
	dev = test_device_of(u, &ops, 16);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(pipe(fd), 0);
	test_fill(data, 2, 7);
	buf = test_map(2);
	test_fill(buf, 2, 1);
	test_move(u, buf, 2, dev);
	CHECK_EQ(write(fd[1], data, 2 * PAGE), 2 * PAGE);
	ops.hold_out = 1;
	CHECK_EQ(pthread_create(&t, NULL, reader, NULL), 0);
	test_wait_held(&ops);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	for (int i = 0; i < 1000; i++)
		sched_yield(); /* some of the repeated faults come now */
	test_release(&ops);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(signals > 0);
	test_verify(buf, 2, 7);
	test_close(u);
	return 0;
}
