// SPDX-License-Identifier: MIT
/*
 * calls [served]: data through system calls, from and into memory that is away
 * or was never touched.  All of it comes, nothing is lost, and an address that
 * is no good is EFAULT.  "served": the kernel's faults are.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "away.h"

#define LEN (16 * PAGE)

static int new_file(void)
{
	int fd = memfd_create("calls", 0);

	CHECK(fd >= 0);
	return fd;
}

/* A file with the pattern of @seed, at its beginning. */
static int filled_file(uint64_t seed)
{
	char *p = malloc(LEN);
	int fd = new_file();

	fill(p, LEN, seed);
	CHECK_EQ(write(fd, p, LEN), LEN);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	free(p);
	return fd;
}

static void check_file(int fd, uint64_t seed)
{
	static char plain[LEN];

	CHECK_EQ(pread(fd, plain, LEN, 0), LEN);
	CHECK(is_filled(plain, LEN, seed));
	close(fd);
}

/* Three pieces that do not begin or end on a page; the last one is apart. */
static void cut(char *p, struct iovec vec[3])
{
	vec[0] = (struct iovec){ p, 5 * PAGE + 100 };
	vec[1] = (struct iovec){ p + 5 * PAGE + 100, PAGE };
	vec[2] = (struct iovec){ p + LEN + 10, LEN - 6 * PAGE - 100 };
}

static bool is_cut(const char *p, uint64_t seed)
{
	size_t n = 6 * PAGE + 100;

	for (size_t i = 0; i < LEN - n; i++)
		if (p[LEN + 10 + i] != pattern(seed, n + i))
			return false;
	return is_filled(p, n, seed);
}

static void check_reads(bool touched)
{
	struct iovec vec[3], *far;
	int fd = filled_file(1);
	char *p = room(LEN, touched);

	CHECK_EQ(read(fd, p, LEN), LEN);
	CHECK(is_filled(p, LEN, 1));
	p = room(LEN, touched);
	CHECK_EQ(pread(fd, p, 2 * LEN, 0), LEN);
	CHECK(is_filled(p, LEN, 1));
	p = room(2 * LEN, touched);
	cut(p, vec);
	CHECK_EQ(preadv(fd, vec, 3, 0), LEN);
	CHECK(is_cut(p, 1));
	p = room(2 * LEN, touched);
	cut(p, vec);
	far = away(vec, sizeof(vec));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(readv(fd, far, 3), LEN);
	CHECK(is_cut(p, 1));
	p = room(2 * LEN, touched);
	cut(p, vec);
	CHECK_EQ(preadv2(fd, vec, 3, 0, 0), LEN);
	CHECK(is_cut(p, 1));
	close(fd);
}

static void check_writes(void)
{
	char *p = away_filled(LEN, 2), *q = heap(2 * LEN);
	int fd = new_file(), from = filled_file(2);
	struct iovec vec[3];

	CHECK_EQ(write(fd, p, LEN), LEN);
	check_file(fd, 2);
	fd = new_file();
	send_away(p, LEN);
	CHECK_EQ(pwrite(fd, p, LEN, 0), LEN);
	check_file(fd, 2);
	cut(q, vec);
	CHECK_EQ(readv(from, vec, 3), LEN);
	close(from);
	fd = new_file();
	send_away(q, 2 * LEN);
	CHECK_EQ(writev(fd, vec, 3), LEN);
	check_file(fd, 2);
	fd = new_file();
	send_away(q, 2 * LEN);
	CHECK_EQ(pwritev(fd, away(vec, sizeof(vec)), 3, 0), LEN);
	check_file(fd, 2);
}

static void check_stdio(void)
{
	char *p = away_filled(LEN, 3);
	FILE *f = tmpfile(), *g;
	char path[64];

	CHECK(f);
	CHECK_EQ(fputs("begin", f), 1);
	sweep();
	CHECK_EQ(fwrite(p, 10, LEN / 10, f), LEN / 10);
	sweep();
	CHECK_EQ(fflush(f), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(f));
	g = fopen(away_string(path), away_string("r+"));
	CHECK(g);
	CHECK_EQ(setvbuf(g, heap(LEN), _IOFBF, LEN), 0);
	sweep();
	CHECK_EQ(fgetc(g), 'b');
	CHECK_EQ(fread(room(4, true), 4, 1, g), 1);
	p = room(LEN, true);
	CHECK_EQ(fread(p, 10, LEN / 10, g), LEN / 10);
	CHECK(is_filled(p, LEN / 10 * 10, 3));
	CHECK_EQ(fread(p, 1, 1, g), 0);
	CHECK(feof(g) && !ferror(g));
	fclose(f);
	fclose(g);
}

/* ---- What is there only once -------------------------------------------- */

static void check_datagrams(bool touched)
{
	char *out = away_filled(2 * PAGE, 4), *in = room(2 * PAGE, touched);
	struct iovec vec = { in, 2 * PAGE };
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	CHECK_EQ(send(fd[0], out, 2 * PAGE, 0), 2 * PAGE);
	CHECK_EQ(recv(fd[1], in, 2 * PAGE, 0), 2 * PAGE);
	CHECK(is_filled(in, 2 * PAGE, 4));
	vec.iov_base = in = room(2 * PAGE, touched);
	send_away(out, 2 * PAGE);
	CHECK_EQ(write(fd[0], out, 2 * PAGE), 2 * PAGE);
	CHECK_EQ(read(fd[1], in, 2 * PAGE), 2 * PAGE);
	CHECK(is_filled(in, 2 * PAGE, 4));
	vec.iov_base = in = room(2 * PAGE, touched);
	CHECK_EQ(write(fd[0], out, 2 * PAGE), 2 * PAGE);
	CHECK_EQ(readv(fd[1], &vec, 1), 2 * PAGE);
	CHECK(is_filled(in, 2 * PAGE, 4));
	close(fd[0]);
	close(fd[1]);
}

/* A message; all of its parts are away. */
struct parts {
	struct msghdr *m;
	char *data;
	struct cmsghdr *control;
};

static struct parts new_message(uint64_t seed, int fd)
{
	struct parts s = { .data = away_filled(2 * PAGE, seed) };
	struct cmsghdr *c = heap(CMSG_SPACE(sizeof(int)));
	struct iovec vec = { s.data, 2 * PAGE };
	struct msghdr m = { 0 };

	memset(c, 0, CMSG_SPACE(sizeof(int)));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	m.msg_iov = away(&vec, sizeof(vec));
	m.msg_iovlen = 1;
	m.msg_control = c;
	m.msg_controllen = CMSG_SPACE(sizeof(int));
	s.control = c;
	s.m = away(&m, sizeof(m));
	send_away(s.data, 2 * PAGE);
	return s;
}

static void check_messages(int type)
{
	struct parts out = new_message(5, STDERR_FILENO);
	struct parts in = new_message(6, 0);
	int fd[2], got = -1;

	CHECK_EQ(socketpair(AF_UNIX, type, 0, fd), 0);
	CHECK_EQ(sendmsg(fd[0], out.m, 0), 2 * PAGE);
	send_away(in.m, PAGE);
	CHECK_EQ(recvmsg(fd[1], in.m, 0), 2 * PAGE);
	CHECK(is_filled(in.data, 2 * PAGE, 5));
	CHECK_EQ(in.m->msg_flags, 0);
	memcpy(&got, CMSG_DATA(in.control), sizeof(got));
	CHECK(got > 2 && fcntl(got, F_GETFD) >= 0);
	close(got);
	close(fd[0]);
	close(fd[1]);
}

static void check_many_messages(void)
{
	struct iovec vec[4];
	struct mmsghdr m[4], *far;
	char *data = away_filled(4 * PAGE, 7);
	int fd[2], n;

	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		vec[i] = (struct iovec){ data + (size_t)i * PAGE, PAGE };
		m[i].msg_hdr.msg_iov = &vec[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	far = away(m, sizeof(m));
	send_away(data, 4 * PAGE);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	n = 0;
	while (n < 4) {
		int ret = sendmmsg(fd[0], far + n, 4U - (unsigned)n, 0);

		CHECK(ret > 0);
		n += ret;
	}
	data = away_filled(4 * PAGE, 8);
	for (int i = 0; i < 4; i++)
		vec[i].iov_base = data + (size_t)i * PAGE;
	send_away(far, PAGE);
	send_away(data, 4 * PAGE);
	n = 0;
	while (n < 4) {
		int ret = recvmmsg(fd[1], far + n, 4U - (unsigned)n, 0, NULL);

		CHECK(ret > 0);
		n += ret;
	}
	CHECK(is_filled(data, 4 * PAGE, 7));
	CHECK_EQ(far[3].msg_len, PAGE);
	close(fd[0]);
	close(fd[1]);
}

static void check_events(bool touched)
{
	const struct itimerspec soon = { .it_value = { 0, 1 } };
	uint64_t *p = room(8, touched);
	struct inotify_event *e;
	int fd = eventfd(41, 0);

	CHECK_EQ(read(fd, p, 8), 8);
	CHECK_EQ(*p, 41);
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	CHECK_EQ(timerfd_settime(fd, 0, away(&soon, sizeof(soon)), NULL), 0);
	p = room(8, touched);
	CHECK_EQ(read(fd, p, 8), 8);
	CHECK_EQ(*p, 1);
	close(fd);
	fd = inotify_init1(0);
	CHECK(inotify_add_watch(fd, away_string("/tmp"), IN_OPEN) >= 0);
	close(open("/tmp", O_RDONLY | O_DIRECTORY));
	e = room(PAGE, touched);
	CHECK(read(fd, e, PAGE) >= (ssize_t)sizeof(*e));
	CHECK(e->mask & IN_OPEN);
	close(fd);
}

static void check_tty(void)
{
	char *p = away_filled(PAGE, 1), name[64];
	int fd = posix_openpt(O_RDWR | O_NOCTTY), tty;

	if (fd < 0 || grantpt(fd) || unlockpt(fd) ||
	    ptsname_r(fd, name, sizeof(name)))
		return;
	tty = open(name, O_RDWR | O_NOCTTY);
	CHECK(tty >= 0);
	CHECK_EQ(write(fd, away_string("a line\n"), 7), 7);
	send_away(p, PAGE);
	CHECK_EQ(read(tty, p, PAGE), 7);
	CHECK_EQ(memcmp(p, "a line\n", 7), 0);
	close(tty);
	close(fd);
}

static void check_udp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET }, *from;
	socklen_t len = sizeof(a), *far = away(&len, sizeof(len));
	int in = socket(AF_INET, SOCK_DGRAM, 0);
	int out = socket(AF_INET, SOCK_DGRAM, 0);
	char *p;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(in, away(&a, sizeof(a)), sizeof(a)), 0);
	from = away(&a, sizeof(a));
	send_away(far, PAGE);
	CHECK_EQ(getsockname(in, (struct sockaddr *)from, far), 0);
	CHECK_EQ(*far, sizeof(a));
	send_away(from, PAGE);
	CHECK_EQ(sendto(out, away_string("hello"), 5, 0,
			(struct sockaddr *)from, sizeof(*from)),
		 5);
	p = away_filled(PAGE, 1);
	send_away(from, PAGE);
	send_away(far, PAGE);
	CHECK_EQ(recvfrom(in, p, PAGE, 0, (struct sockaddr *)from, far), 5);
	CHECK_EQ(memcmp(p, "hello", 5), 0);
	CHECK_EQ(from->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	close(in);
	close(out);
}

/* ---- Streams ----------------------------------------------------------- */

#define MUCH ((size_t)1 << 20)

static void *drain(void *arg)
{
	static char plain[MUCH];
	int fd = *(int *)arg;
	size_t n = 0;

	while (n < MUCH) {
		ssize_t got = read(fd, plain + n, MUCH - n);

		CHECK(got > 0);
		n += (size_t)got;
	}
	CHECK(is_filled(plain, MUCH, 9));
	return NULL;
}

typedef ssize_t send_fn(int fd, char *p);

static ssize_t by_write(int fd, char *p)
{
	return write(fd, p, MUCH);
}

static ssize_t by_writev(int fd, char *p)
{
	struct iovec vec[2] = { { p, MUCH / 2 + 1 },
				{ p + MUCH / 2 + 1, MUCH / 2 - 1 } };

	return writev(fd, vec, 2);
}

static ssize_t by_send(int fd, char *p)
{
	return send(fd, p, MUCH, 0);
}

static ssize_t by_sendmsg(int fd, char *p)
{
	struct iovec vec = { p, MUCH };
	struct msghdr m = { .msg_iov = &vec, .msg_iovlen = 1 };

	return sendmsg(fd, &m, 0);
}

/* Blocking: the writer expects that all is taken. */
static void check_stream(send_fn *how, bool is_pipe)
{
	char *p = away_filled(MUCH, 9);
	pthread_t t;
	int fd[2];

	CHECK_EQ(is_pipe ? pipe(fd) : socketpair(AF_UNIX, SOCK_STREAM, 0, fd),
		 0);
	CHECK_EQ(pthread_create(&t, NULL, drain, &fd[0]), 0);
	CHECK_EQ(how(fd[1], p), MUCH);
	CHECK_EQ(pthread_join(t, NULL), 0);
	close(fd[0]);
	close(fd[1]);
	free(p);
}

static void check_receive(void)
{
	char *p = away_filled(LEN, 1);
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	send_away(p, LEN);
	for (size_t i = 0; i < 4; i++) {
		fill(p, LEN / 4, 20);
		CHECK_EQ(write(fd[1], p, LEN / 4), LEN / 4);
	}
	p = room(LEN, true);
	CHECK_EQ(recv(fd[0], p, LEN, MSG_WAITALL), LEN);
	for (size_t i = 0; i < 4; i++)
		CHECK(is_filled(p + i * LEN / 4, LEN / 4, 20));
	close(fd[0]);
	close(fd[1]);
}

static void check_sendfile(void)
{
	off_t at = 2 * PAGE, *far = away(&at, sizeof(at));
	int from = filled_file(10), to = new_file();

	CHECK_EQ(sendfile(to, from, far, LEN), LEN - 2 * PAGE);
	CHECK_EQ(*far, LEN);
	close(from);
	close(to);
}

/* ---- What is no good ----------------------------------------------------- */

static void check_error(ssize_t ret)
{
	CHECK_EQ(ret, -1);
	CHECK_EQ(errno, EFAULT);
}

static void check_bad(void)
{
	char *p = room(LEN, false), *gone = room(LEN, false);
	struct iovec vec[2] = { { gone, 1 }, { gone, 1 } };
	char *volatile low = (char *)8;
	int fd = filled_file(11);

	fill(p, LEN, 12);
	CHECK_EQ(munmap(gone, (size_t)4 << 20), 0);
	CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(mprotect(p + 2 * PAGE, PAGE, PROT_NONE), 0);
	check_error(read(fd, gone, 10));
	check_error(read(fd, low, 10));
	check_error(write(fd, p + 2 * PAGE, 10));
	check_error(read(fd, p + PAGE, 10));
	check_error(open(gone, O_RDONLY));
	check_error(open(p + 2 * PAGE, O_RDONLY));
	check_error(readv(fd, vec, 2));
	check_error(readv(fd, (void *)gone, 2));
	CHECK_EQ(pread(fd, p, 2 * PAGE, 0), PAGE);
	CHECK(is_filled(p, PAGE, 11));
	CHECK(is_filled(p + PAGE, 10, 12) || p[PAGE] == pattern(12, PAGE));
	CHECK(!fopen(gone, "r") && errno == EFAULT);
	close(fd);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (int touched = 0; touched < 2; touched++) {
		check_reads(touched);
		check_datagrams(touched);
		check_events(touched);
	}
	check_writes();
	check_stdio();
	check_messages(SOCK_STREAM);
	check_messages(SOCK_SEQPACKET);
	check_many_messages();
	check_tty();
	check_udp();
	check_stream(by_write, true);
	check_stream(by_writev, true);
	check_stream(by_send, false);
	check_stream(by_sendmsg, false);
	check_receive();
	check_sendfile();
	check_bad();
	return 0;
}
