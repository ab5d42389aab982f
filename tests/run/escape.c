// SPDX-License-Identifier: MIT
/*
 * Calls that never return: a handler jumps out of them, or their thread is
 * cancelled.  What was pinned for them leaves again, and what is pinned for a
 * call that a handler only interrupts stays.  Touches are left as well.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "away.h"

#define LEN    (4 * PAGE)
#define STRESS 1000 /* ms */

static sigjmp_buf out;
static int empty[2], ready[2]; /* datagrams */

static void make_sockets(void)
{
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, empty));
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, ready));
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction act = { .sa_handler = fn, .sa_flags = flags };

	CHECK(!sigaction(sig, &act, NULL));
}

static void after_ms(unsigned ms)
{
	const struct itimerval t = { .it_value.tv_usec = ms * 1000 };

	CHECK(!setitimer(ITIMER_REAL, &t, NULL));
}

/* A call that holds what it is given, and returns. */
static void held_call(void)
{
	char *p = heap(PAGE);

	CHECK(send(ready[0], "x", 1, 0) == 1);
	CHECK(recv(ready[1], p, PAGE, 0) == 1);
	CHECK(*p == 'x');
	free(p);
}

static void jump(int sig)
{
	siglongjmp(out, sig);
}

/* recv(2) waits with @p held, until a handler jumps out of the call. */
static void leave(char *p, unsigned ms)
{
	handle(SIGALRM, jump, 0);
	if (sigsetjmp(out, 1))
		return;
	after_ms(ms);
	recv(empty[1], p, LEN, 0);
	CHECK(!"no datagram was sent");
}

/* From other depths of the stack as well. */
static __attribute__((noinline)) void leave_deep(char *p, unsigned depth)
{
	volatile char room[512];

	room[0] = (char)depth;
	if (depth)
		leave_deep(p, depth - 1);
	else
		leave(p, 5);
	CHECK(room[0] == (char)depth);
}

static void jumps(void)
{
	char *p[2];

	for (unsigned i = 0; i < 2; i++) {
		p[i] = away_filled(LEN, i);
		leave_deep(p[i], 3 - 2 * i);
	}
	held_call();
	for (unsigned i = 0; i < 2; i++) {
		send_away(p[i], LEN);
		CHECK(is_filled(p[i], LEN, i));
		free(p[i]);
	}
}

/* ---- A handler that only interrupts ------------------------------------- */

static char *interrupted;

static void interrupt(int sig)
{
	(void)sig;
	held_call();
	sweep();
	sweep();
	CHECK(all_served || !is_away(interrupted, PAGE));
	CHECK(send(empty[0], "y", 1, 0) == 1);
}

static void interrupts(int flags)
{
	interrupted = away_filled(LEN, 7);
	handle(SIGALRM, interrupt, SA_RESTART | flags);
	after_ms(10);
	CHECK(recv(empty[1], interrupted, LEN, 0) == 1);
	CHECK(*interrupted == 'y');
	send_away(interrupted, LEN);
	free(interrupted);
}

/* Below the stack that was interrupted, and above it. */
static void interrupts_on_stacks(void)
{
	const size_t size = 64 * PAGE;
	char near[64 * 4096];
	stack_t ss = { .ss_size = size }, was;

	interrupts(0);
	for (int i = 0; i < 2; i++) {
		ss.ss_sp = i ? near : heap(size);
		CHECK(!sigaltstack(&ss, &was));
		interrupts(SA_ONSTACK);
		CHECK(!sigaltstack(&was, NULL));
		if (!i)
			free(ss.ss_sp);
	}
}

/* ---- Threads that are cancelled ----------------------------------------- */

static sem_t waits;

static void *cancelled(void *p)
{
	CHECK(!pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	sem_post(&waits);
	recv(empty[1], p, LEN, 0);
	CHECK(!"no datagram was sent");
	return NULL;
}

static void cancel(pthread_t t)
{
	void *ret;

	CHECK(!pthread_cancel(t) && !pthread_join(t, &ret));
	CHECK(ret == PTHREAD_CANCELED);
}

static void cancels(void)
{
	CHECK(!sem_init(&waits, 0, 0));
	for (unsigned i = 0; i < 2; i++) {
		char *p = away_filled(LEN, i);
		pthread_t t;

		CHECK(!pthread_create(&t, NULL, cancelled, p));
		while (sem_wait(&waits))
			;
		cancel(t);
		send_away(p, LEN);
		CHECK(is_filled(p, LEN, i));
		free(p);
	}
}

/* Only touches. */
static void *touches(void *arg)
{
	const volatile char *p = arg;

	CHECK(!pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	sem_post(&waits);
	for (uint32_t x = 1;; x = x * 1664525 + 1013904223)
		(void)p[(x >> 8) % (SWEEP / PAGE) * PAGE];
	return NULL;
}

static void cancels_touches(void)
{
	char *p = heap(SWEEP);

	fill(p, SWEEP, 3);
	for (unsigned i = 0; i < 40; i++) {
		const struct timespec t = { .tv_nsec = i % 20 * 100000 };
		pthread_t thread;

		CHECK(!pthread_create(&thread, NULL, touches, p));
		while (sem_wait(&waits))
			;
		nanosleep(&t, NULL);
		cancel(thread);
	}
	CHECK(is_filled(p, SWEEP, 3));
	free(p);
}

/* ---- Stacks that are the program's alone --------------------------------- */

#define NR_LEFT 100 /* more than are remembered */

static ucontext_t outside, inside;
static char *pages;

static void coroutine(void)
{
	for (volatile unsigned i = 0; i < NR_LEFT; i++)
		leave(pages + i * PAGE, 2);
}

static void coroutines(void)
{
	/* Not managed: the kernel writes the handler's frame to it. */
	static char stack[64 * 4096];

	pages = away_filled((NR_LEFT + LEN / PAGE) * PAGE, 5);
	CHECK(!getcontext(&inside));
	inside.uc_stack = (stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) };
	inside.uc_link = &outside;
	makecontext(&inside, coroutine, 0);
	CHECK(!swapcontext(&outside, &inside));
	held_call();
	send_away(pages, PAGE);
	CHECK(is_filled(pages, NR_LEFT * PAGE, 5));
	free(pages);
}

/* ---- Everything at once -------------------------------------------------- */

static volatile sig_atomic_t armed;
static int file;
static char *data;

static void hop(int sig)
{
	if (armed) {
		armed = 0;
		siglongjmp(out, sig);
	}
}

static size_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (size_t)t.tv_sec * 1000 + (size_t)t.tv_nsec / 1000000;
}

static bool read_part(char *to, size_t at)
{
	return pread(file, to, LEN, (off_t)at) == (ssize_t)LEN &&
	       !memcmp(to, data + at, LEN);
}

/* One call or touch after another, until a signal. */
static void go(char *to, uint32_t *x)
{
	for (;;) {
		size_t at = (*x >> 8) % (SWEEP / LEN) * LEN;

		*x = *x * 1664525 + 1013904223;
		switch (*x >> 30) {
		case 0:
			CHECK(read_part(to, at));
			break;
		case 1:
			CHECK(send(ready[0], data + at, LEN, 0) ==
			      (ssize_t)LEN);
			CHECK(recv(ready[1], to, LEN, 0) > 0);
			break;
		default:
			CHECK(data[at] == pattern(3, at));
		}
	}
}

static void drain(char *to)
{
	while (recv(ready[1], to, LEN, MSG_DONTWAIT) >= 0)
		;
}

static void stress(void)
{
	const struct itimerval t = { { 0, 300 }, { 0, 300 } }, off = { 0 };
	char *volatile to = heap(LEN);
	static uint32_t x = 1;
	size_t end = now_ms() + STRESS;

	data = heap(SWEEP);
	fill(data, SWEEP, 3);
	file = memfd_create("escape", 0);
	CHECK(write(file, data, SWEEP) == (ssize_t)SWEEP);
	handle(SIGALRM, hop, 0);
	CHECK(!setitimer(ITIMER_REAL, &t, NULL));
	while (now_ms() < end) {
		if (!sigsetjmp(out, 1)) {
			armed = 1;
			go(to, &x);
		}
		drain(to);
	}
	CHECK(!setitimer(ITIMER_REAL, &off, NULL));
	held_call();
	CHECK(is_filled(data, SWEEP, 3));
	send_away(to, LEN);
}

static void (*const parts[])(void) = {
	jumps,		 interrupts_on_stacks, cancels,
	cancels_touches, coroutines,	       stress,
};

int main(int argc, char **argv)
{
	begin(argc, argv);
	make_sockets();
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		parts[i]();
	return 0;
}
