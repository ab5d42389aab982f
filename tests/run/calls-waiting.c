// SPDX-License-Identifier: MIT
/*
 * calls-waiting [served]: threads wait in calls on pipes and sockets while the
 * program has its limit yet.  Then the limit is passed, and the memory of these
 * calls leaves.  All bytes come, and each call says that it has done all.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "away.h"

#define LEN (64 * PAGE) /* more than a socket takes */

struct waiter {
	const char *name;
	/* do all of it: [p, p + LEN) */
	void (*work)(int fd, char *p);
	bool gets;
	pthread_t thread;
	_Atomic int tid;
	int fd[2]; /* the waiter's, and the one of main() */
	char *p;
};

static FILE *stream(int fd, const char *how)
{
	FILE *f = fdopen(fd, how);

	CHECK(f);
	return f;
}

static void by_fread(int fd, char *p)
{
	FILE *f = stream(fd, "r");

	CHECK_EQ(fread(p, LEN / 4, 4, f), 4);
	CHECK(!ferror(f));
}

static void by_fread_unlocked(int fd, char *p)
{
	CHECK_EQ(fread_unlocked(p, 1, LEN, stream(fd, "r")), LEN);
}

static void by_recv(int fd, char *p)
{
	CHECK_EQ(recv(fd, p, LEN, MSG_WAITALL), LEN);
}

static void by_fwrite(int fd, char *p)
{
	FILE *f = stream(fd, "w");

	CHECK_EQ(fwrite(p, LEN / 4, 4, f), 4);
	CHECK_EQ(fflush(f), 0);
	CHECK(!ferror(f));
}

static void by_fputs(int fd, char *p)
{
	FILE *f = stream(fd, "w");

	CHECK_EQ(fputs(p, f) >= 0, true);
	CHECK_EQ(fflush(f), 0);
}

static void by_write(int fd, char *p)
{
	CHECK_EQ(write(fd, p, LEN), LEN);
}

static void by_writev(int fd, char *p)
{
	struct iovec vec[2] = { { p, 100 }, { p + 100, LEN - 100 } };

	CHECK_EQ(writev(fd, vec, 2), LEN);
}

static void by_send(int fd, char *p)
{
	CHECK_EQ(send(fd, p, LEN, 0), LEN);
}

static void by_sendmsg(int fd, char *p)
{
	struct iovec vec = { p, LEN };
	struct msghdr m = { .msg_iov = &vec, .msg_iovlen = 1 };

	CHECK_EQ(sendmsg(fd, &m, 0), LEN);
}

static struct waiter waiters[] = {
	{ .name = "fread", .work = by_fread, .gets = true },
	{ .name = "fread_unlocked", .work = by_fread_unlocked, .gets = true },
	{ .name = "recv", .work = by_recv, .gets = true },
	{ .name = "fwrite", .work = by_fwrite },
	{ .name = "fputs", .work = by_fputs },
	{ .name = "write", .work = by_write },
	{ .name = "writev", .work = by_writev },
	{ .name = "send", .work = by_send },
	{ .name = "sendmsg", .work = by_sendmsg },
};

#define NR_WAITERS (sizeof(waiters) / sizeof(*waiters))

static void *wait_in_call(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->work(w->fd[0], w->p);
	CHECK_EQ(shutdown(w->fd[0], SHUT_WR), 0);
	return NULL;
}

/* The kernel tells the call that a thread sleeps in, and its arguments. */
static bool is_in_call(const struct waiter *w)
{
	unsigned long fd;
	char path[64];
	bool is_in;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", w->tid);
	f = fopen(path, "r");
	CHECK(f);
	is_in = fscanf(f, "%*d %lx", &fd) == 1 && (int)fd == w->fd[0];
	fclose(f);
	return is_in;
}

static void let_wait(struct waiter *w, uint64_t seed)
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, w->fd), 0);
	w->p = heap(LEN + 1);
	fill(w->p, LEN, w->gets ? 99 : seed);
	for (size_t i = 0; i < LEN; i++) /* a string */
		w->p[i] += !w->p[i];
	w->p[LEN] = '\0';
	CHECK_EQ(pthread_create(&w->thread, NULL, wait_in_call, w), 0);
	while (!w->tid || !is_in_call(w))
		sched_yield();
}

static char expected(uint64_t seed, size_t i)
{
	char c = pattern(seed, i);

	return c ? c : 1;
}

static void give(int fd, uint64_t seed)
{
	static char data[LEN];

	for (size_t i = 0; i < LEN; i++)
		data[i] = expected(seed, i);
	for (size_t i = 0; i < LEN; i += LEN / 8)
		CHECK_EQ(write(fd, data + i, LEN / 8), LEN / 8);
	CHECK_EQ(shutdown(fd, SHUT_WR), 0);
}

static void take(int fd, uint64_t seed)
{
	static char data[PAGE];
	size_t at = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(data[i], expected(seed, at++));
	CHECK_EQ(n, 0);
	CHECK_EQ(at, LEN);
}

static void check_one(struct waiter *w, uint64_t seed)
{
	printf("%s\n", w->name);
	fflush(stdout);
	send_away(w->p, LEN);
	if (w->gets)
		give(w->fd[1], seed);
	else
		take(w->fd[1], seed);
	CHECK_EQ(pthread_join(w->thread, NULL), 0);
	for (size_t i = 0; i < LEN; i++)
		CHECK_EQ(w->p[i], expected(seed, i));
	free(w->p);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < NR_WAITERS; i++)
		let_wait(&waiters[i], i);
	begin(argc, argv);
	for (size_t i = 0; i < NR_WAITERS; i++)
		check_one(&waiters[i], i);
	return 0;
}
