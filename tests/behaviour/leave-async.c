// SPDX-License-Identifier: MIT
/*
 * Threads that touch memory which is away are cancelled at any moment, or leave
 * what they do by a handler's siglongjmp(3): the rest goes on, and no lock is
 * left held.
 */
#include <pthread.h>
#include <semaphore.h>

#include "../context.h"

#define NPAGES 1024

static struct uhmm *u;
static struct uhmm_device *dev;
static volatile uint64_t *area;
static atomic_bool stop;
static _Thread_local sigjmp_buf out;
static _Thread_local volatile sig_atomic_t may_leave;

static uint64_t rounds(void)
{
	return test_is_soak() ? 100000 : 300;
}

static void sum(uint64_t rnd)
{
	for (;;) {
		size_t w = test_below(&rnd, NPAGES) * PAGE_WORDS;

		if (area[w] != test_word(1, w))
			_exit(2);
	}
}

static void *be_cancelled(void *arg)
{
	CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
	sum((uintptr_t)arg);
	return NULL;
}

static void *mover(void *arg)
{
	while (!stop)
		CHECK(uhmm_migrate(u, (void *)area, NPAGES * PAGE, dev) >= 0);
	return arg;
}

static void cancel(uint64_t *rnd)
{
	struct timespec nap = { 0, (long)test_below(rnd, 300000) };
	pthread_t t;
	void *ret;

	CHECK_EQ(pthread_create(&t, NULL, be_cancelled,
				(void *)(uintptr_t)*rnd),
		 0);
	nanosleep(&nap, NULL);
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK_EQ(pthread_join(t, &ret), 0);
	CHECK(ret == PTHREAD_CANCELED);
}

static void on_tick(int sig)
{
	(void)sig;
	if (may_leave)
		siglongjmp(out, 1);
}

static void jump(uint64_t *rnd)
{
	const struct itimerspec often = { { 0, 30000 }, { 0, 30000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	struct sigaction act = { .sa_handler = on_tick };
	volatile uint64_t left = 0;
	timer_t timer;

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
	while (left < rounds() * 4) {
		if (sigsetjmp(out, 1)) {
			left++;
			continue;
		}
		may_leave = 1;
		if (left % 2)
			sum(*rnd + left);
		for (;;) /* out of a call, too */
			CHECK(uhmm_migrate(u, (void *)area, 16 * PAGE, dev) >=
			      0);
	}
	may_leave = 0;
	CHECK_EQ(timer_delete(timer), 0);
}

/* ---- While a device is slow --------------------------------------------- */

static sem_t begun;
static atomic_bool touched;

static void *touch(void *type)
{
	CHECK_EQ(pthread_setcanceltype(*(int *)type, NULL), 0);
	sem_post(&begun);
	CHECK_EQ(area[0], test_word(1, 0));
	touched = true;
	for (;;)
		pause();
	return NULL;
}

/* The touch ends before its thread does: nobody else would bring it home. */
static void cancel_touch(int type)
{
	struct uhmm_device *slow = test_device(u, "delay(us=30000)/ram:1M");
	struct timespec nap = { 0, 10000000 };
	pthread_t t;
	void *ret;

	CHECK_EQ(uhmm_migrate(u, (void *)area, 4 * PAGE, slow), 4);
	touched = false;
	CHECK_EQ(sem_init(&begun, 0, 0), 0);
	CHECK_EQ(pthread_create(&t, NULL, touch, &type), 0);
	while (sem_wait(&begun))
		;
	nanosleep(&nap, NULL);
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK_EQ(pthread_join(t, &ret), 0);
	CHECK(ret == PTHREAD_CANCELED);
	CHECK(touched || type == PTHREAD_CANCEL_ASYNCHRONOUS);
	test_verify((void *)area, 4, 1);
	CHECK_EQ(uhmm_device_remove(slow), 0);
}

int main(void)
{
	uint64_t rnd = test_seed();
	pthread_t thread;

	u = test_open();
	dev = test_device(u, "ram:8M");
	area = test_map_blocks(2);
	test_fill((void *)area, NPAGES, 1);
	CHECK_EQ(pthread_create(&thread, NULL, mover, NULL), 0);
	for (uint64_t i = 0; i < rounds(); i++)
		cancel(&rnd);
	stop = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(uhmm_migrate(u, (void *)area, NPAGES * PAGE, dev), NPAGES);
	jump(&rnd);
	cancel_touch(PTHREAD_CANCEL_ASYNCHRONOUS);
	cancel_touch(PTHREAD_CANCEL_DEFERRED);
	test_verify((void *)area, NPAGES, 1);
	test_close(u);
	return 0;
}
