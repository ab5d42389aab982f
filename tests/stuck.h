/* SPDX-License-Identifier: MIT */
/*
 * stuck.h - for tests in which a device does not answer: what the watchdog
 * says, and threads that touch one page and tell what came of it.
 */
#ifndef UHMM_TEST_STUCK_H
#define UHMM_TEST_STUCK_H

#include "device.h"

/* Messages about device "stuck": that it is, and that it is no more. */
static _Atomic uint32_t test_reports, test_ends;
static char test_said[512]; /* the last of the first kind */

static inline void test_watch(void *arg, int level, const char *msg)
{
	(void)arg;
	if (getenv("UHMM_TEST_LOG"))
		fprintf(stderr, "%d: %s\n", level, msg);
	if (!strstr(msg, "device stuck:"))
		return;
	if (strstr(msg, "has been stuck for")) {
		snprintf(test_said, sizeof(test_said), "%s", msg);
		test_futex_set(&test_reports, test_reports + 1);
	}
	if (strstr(msg, "has ended after"))
		test_futex_set(&test_ends, test_ends + 1);
}

/* Until there are @n of them. */
static inline void test_await(_Atomic uint32_t *word, uint32_t n)
{
	uint32_t is;

	while ((is = atomic_load(word)) < n)
		test_futex_wait(word, is);
}

static inline struct uhmm *test_open_watched(void)
{
	struct uhmm *u =
		test_open_with((struct uhmm_params){ .watchdog_ms = 40 });

	uhmm_set_log(u, test_watch, NULL);
	return u;
}

/*
 * One sentence is awaited: it begins with @test_waiter, has @test_what further
 * on, and is counted.
 */
static const char *_Atomic test_waiter, *_Atomic test_what;
static _Atomic uint32_t test_heard;

static inline void test_listen(void *arg, int level, const char *msg)
{
	const char *waiter = atomic_load(&test_waiter);
	const char *what = atomic_load(&test_what);

	test_no_log(arg, level, msg);
	if (waiter && !strncmp(msg, waiter, strlen(waiter)) &&
	    strstr(msg, what))
		test_futex_set(&test_heard, test_heard + 1);
}

static inline struct uhmm *test_open_heard(void)
{
	struct uhmm *u =
		test_open_with((struct uhmm_params){ .watchdog_ms = 40 });

	uhmm_set_log(u, test_listen, NULL);
	return u;
}

static inline void test_hear(const char *waiter, const char *what)
{
	atomic_store(&test_waiter, NULL);
	atomic_store(&test_what, what);
	atomic_store(&test_heard, 0);
	atomic_store(&test_waiter, waiter);
	test_futex_wait(&test_heard, 0);
}

/* ---- Touches ---- */

static _Thread_local sigjmp_buf test_way_out;

static inline void test_escape(int sig)
{
	siglongjmp(test_way_out, sig);
}

/* Before the context is opened. */
static inline void test_catch_threads(void)
{
	struct sigaction act = { .sa_handler = test_escape };

	CHECK_EQ(sigaction(SIGBUS, &act, NULL), 0);
}

/* @sig: raised by reading @page, or 0; @word: what was read */
struct test_toucher {
	pthread_t thread;
	volatile uint64_t *page;
	uint64_t word;
	int sig;
};

static inline void *test_touch_main(void *arg)
{
	struct test_toucher *t = arg;

	t->sig = sigsetjmp(test_way_out, 1);
	if (!t->sig)
		t->word = *t->page;
	return NULL;
}

static inline void test_touch(struct test_toucher *t, void *page)
{
	t->page = page;
	CHECK_EQ(pthread_create(&t->thread, NULL, test_touch_main, t), 0);
}

static inline int test_touched(struct test_toucher *t)
{
	CHECK_EQ(pthread_join(t->thread, NULL), 0);
	return t->sig;
}

#endif
