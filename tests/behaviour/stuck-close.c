// SPDX-License-Identifier: MIT
/*
 * uhmm_close() waits for a call that hangs, says so, and loses nothing.  A
 * device made to hang by the delay wrapper comes back when it is lost.
 */
#include "../stuck.h"

#define NPAGES 16

static struct test_ops ops;

static void *closer(void *arg)
{
	CHECK_EQ(uhmm_close(arg), 0);
	return NULL;
}

static void close_while_stuck(void)
{
	struct test_toucher t;
	struct uhmm *u = test_open_watched();
	char *p = test_map(NPAGES);
	struct uhmm_device *dev;
	pthread_t thread;
	uint32_t said;

	dev = test_device_named(u, &ops, NPAGES, "stuck",
				UHMM_DEVICE_CONCURRENT);
	test_fill(p, NPAGES, 1);
	test_move(u, p, NPAGES, dev);
	ops.hold_out = 1;
	test_touch(&t, p);
	test_await(&test_reports, 4);
	said = test_reports;
	CHECK_EQ(pthread_create(&thread, NULL, closer, u), 0);
	test_await(&test_reports, said + 1);
	CHECK_EQ(ops.released, 0);
	test_release(&ops);
	CHECK_EQ(test_touched(&t), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(ops.released, 1);
	test_verify(p, NPAGES, 1);
}

static void lose_by_wrapper(void)
{
	struct uhmm *u = test_open();
	char *p = test_map(NPAGES);
	struct test_mover m = { .u = u, .p = p, .npages = NPAGES };

	CHECK_EQ(uhmm_device_open(u, "delay(hang=x)/ram:1M", &m.dev), -EINVAL);
	m.dev = test_device(u, "trace/delay(hang=2,op=to_dev)/ram:1M");
	test_fill(p, NPAGES, 1);
	CHECK_EQ(uhmm_migrate(u, p, PAGE, m.dev), 1);
	test_mover_start(&m); /* hangs */
	while (test_info(m.dev).used < 2)
		sched_yield();
	CHECK_EQ(uhmm_device_lost(m.dev), 0);
	test_mover_join(&m);
	CHECK(m.ret <= 1); /* one was there before */
	for (size_t i = 1; i < NPAGES; i++)
		CHECK_EQ(*(uint64_t *)(p + i * PAGE),
			 test_word(1, i * PAGE_WORDS));
	test_close(u);
}

/* The bounded kind comes back by itself, and has done its work. */
static void hang_for_a_while(void)
{
	struct uhmm *u = test_open();
	struct uhmm_device *dev = test_device(u, "delay(hang=1,ms=30)/ram:1M");
	char *p = test_map(NPAGES);
	uint64_t before;
	struct timespec now;

	test_fill(p, NPAGES, 1);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	before = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	test_move(u, p, NPAGES, dev);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	CHECK((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 >=
	      before + 29);
	test_verify(p, NPAGES, 1);
	test_close(u);
}

int main(void)
{
	test_catch_threads();
	close_while_stuck();
	hang_for_a_while();
	lose_by_wrapper();
	return 0;
}
