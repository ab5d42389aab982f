// SPDX-License-Identifier: MIT
/*
 * large FILE: calls on a buffer that is larger than all RAM that there is, so
 * that what was brought home for one leaves again before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../test.h"

#define LEN  ((size_t)8 << 20)
#define NR   64 /* parts of a vector */
#define SENT ((size_t)64 << 10)

static void fill(uint64_t *p, uint64_t seed)
{
	for (size_t i = 0; i < LEN / sizeof(*p); i++)
		p[i] = seed + i;
}

static void verify(const uint64_t *p, uint64_t seed)
{
	for (size_t i = 0; i < LEN / sizeof(*p); i++)
		CHECK_EQ(p[i], seed + i);
}

static void in_one(int fd, char *p)
{
	fill((uint64_t *)p, 1);
	CHECK_EQ(write(fd, p, LEN), LEN);
	fill((uint64_t *)p, 2);
	CHECK_EQ(pread(fd, p, LEN, 0), LEN);
	verify((uint64_t *)p, 1);
	fill((uint64_t *)p, 3);
	CHECK_EQ(pwrite(fd, p, LEN, 0), LEN);
	fill((uint64_t *)p, 4);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(read(fd, p, LEN), LEN);
	verify((uint64_t *)p, 3);
}

static void in_parts(int fd, char *p)
{
	struct iovec vec[NR];

	for (size_t i = 0; i < NR; i++)
		vec[i] = (struct iovec){ p + i * (LEN / NR), LEN / NR };
	fill((uint64_t *)p, 5);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(writev(fd, vec, NR), LEN);
	fill((uint64_t *)p, 6);
	CHECK_EQ(preadv(fd, vec, NR, 0), LEN);
	verify((uint64_t *)p, 5);
}

/* ---- A stream copies what came as one piece whole or not at all -------- */

static uint64_t sent[SENT / sizeof(uint64_t)]; /* is at home */
static int ends[2];

/* As a pair of Unix sockets is, but with TCP's pieces. */
static void make_stream(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(bind(listener, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(ends[0], (struct sockaddr *)&addr, len), 0);
	ends[1] = accept(listener, NULL, NULL);
	CHECK(ends[1] >= 0);
	CHECK_EQ(close(listener), 0);
}

static void *send_all(void *arg)
{
	const uint64_t *seed = arg;

	for (size_t at = 0; at < LEN; at += SENT) {
		for (size_t i = 0; i < SENT / sizeof(*sent); i++)
			sent[i] = *seed + at / sizeof(*sent) + i;
		for (size_t done = 0; done < SENT;) {
			ssize_t n = write(ends[1], (char *)sent + done,
					  SENT - done);

			CHECK(n > 0);
			done += (size_t)n;
		}
	}
	return NULL;
}

/* Receive into all that is free yet, as a proxy does. */
static ssize_t receive(char *p, size_t done, int how)
{
	struct iovec vec[NR];
	struct msghdr m = { .msg_iov = vec };
	size_t nr = 0;

	if (how == 0)
		return read(ends[0], p + done, LEN - done);
	for (size_t at = done; at < LEN; at += vec[nr++].iov_len)
		vec[nr] = (struct iovec){ p + at, LEN / NR - at % (LEN / NR) };
	if (how == 1)
		return readv(ends[0], vec, (int)nr);
	m.msg_iovlen = nr;
	return recvmsg(ends[0], &m, 0);
}

static void from_stream(char *p, int how, uint64_t seed)
{
	pthread_t sender;
	size_t done = 0;

	fill((uint64_t *)p, 7);
	CHECK_EQ(pthread_create(&sender, NULL, send_all, &seed), 0);
	while (done < LEN) {
		ssize_t n = receive(p, done, how);

		CHECK(n > 0);
		done += (size_t)n;
		for (size_t i = LEN; i < 2 * LEN; i += 4096)
			p[i]++; /* drives out what came home */
	}
	CHECK_EQ(pthread_join(sender, NULL), 0);
	verify((uint64_t *)p, seed);
}

/* A program that peeks until a whole message is there sees all of it. */
static void peek(char *p)
{
	struct iovec vec = { p, LEN };
	struct msghdr m = { .msg_iov = &vec, .msg_iovlen = 1 };
	int size = 1 << 20, pair[2];
	ssize_t there = 0, n;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	while ((n = send(pair[1], sent, SENT / 2, MSG_DONTWAIT)) > 0)
		there += n;
	CHECK(there > 0);
	fill((uint64_t *)p, 10);
	CHECK_EQ(recvmsg(pair[0], &m, MSG_PEEK), there);
	fill((uint64_t *)p, 11);
	CHECK_EQ(recv(pair[0], p, LEN, MSG_PEEK), there);
	CHECK_EQ(close(pair[0]), 0);
	CHECK_EQ(close(pair[1]), 0);
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_CREAT | O_RDWR, 0600) : -1;
	char *p = malloc(2 * LEN);

	CHECK(fd >= 0 && p);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		in_one(fd, p);
		in_parts(fd, p);
	}
	make_stream();
	for (int how = 0; how < 3; how++)
		from_stream(p, how, 9);
	peek(p);
	free(p);
	return 0;
}
