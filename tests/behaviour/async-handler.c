// SPDX-License-Identifier: MIT
/*
 * A handler of signals asks what has ended, whatever call it has interrupted:
 * the library holds no lock then that it would wait for.
 */
#include <time.h>

#include "../context.h"

#define NR_CALLS 20000
#define NR_TICKS 300

static struct uhmm *u;
static atomic_int ticks;

static void on_tick(int sig)
{
	struct uhmm_completion done = { .size = sizeof(done) };

	(void)sig;
	CHECK(uhmm_complete(u, &done, 1) >= 0);
	atomic_fetch_add(&ticks, 1);
}

int main(void)
{
	const struct itimerspec often = { { 0, 50000 }, { 0, 50000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	struct sigaction act = { .sa_handler = on_tick,
				 .sa_flags = SA_RESTART };
	struct uhmm_completion done = { .size = sizeof(done) };
	struct uhmm_device *dev;
	timer_t timer;
	char *p;

	u = test_open();
	dev = test_device(u, "ram:1M");
	p = test_map(1);
	test_fill(p, 1, 1);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
	for (int n = 0; n < NR_CALLS || ticks < NR_TICKS; n++) {
		int err = uhmm_migrate_start(u, p, PAGE, n % 2 ? dev : NULL, 1);

		CHECK(!err || err == -EAGAIN);
		CHECK(uhmm_complete(u, &done, 1) >= 0);
	}
	CHECK_EQ(timer_delete(timer), 0);
	test_verify(p, 1, 1);
	test_close(u);
	return 0;
}
