// SPDX-License-Identifier: MIT
/* differ-files.c - what differ.c does with descriptors */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "differ.h"

static int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

static int any_file(void)
{
	return 3 + (int)below(NFILES);
}

/* Say which of the program's descriptors are open. */
static void say_open(int ret)
{
	uint64_t open = 0;

	for (int fd = 0; fd < 3 + NFILES; fd++)
		open |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
	say("%d; open %#jx", ret, (uintmax_t)open);
}

static void step_open(void)
{
	int fd;

	switch (below(4)) {
	case 0:
		fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
		break;
	case 1:
		fd = memfd_create("differ", MFD_CLOEXEC);
		break;
	case 2:
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		break;
	default:
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	/* So many are enough. */
	if (fd >= 3 + NFILES)
		close(fd);
	say_open(result(fd));
}

static void step_dup(void)
{
	int from = below(3) ? any_file() : 0;

	switch (below(4)) {
	case 0:
		say_open(result(dup2(from, any_file())));
		break;
	case 1:
		say_open(result(dup3(from, any_file(), O_CLOEXEC)));
		break;
	default:
		say_open(result(fcntl(from, F_DUPFD, 3 + below(8))));
	}
	closefrom(3 + NFILES);
}

static void step_close(void)
{
	int fd = any_file();

	if (below(4))
		say_open(result(close(fd)));
	else
		say_open(result(close_range(
			(unsigned)fd, (unsigned)fd + (unsigned)below(8), 0)));
}

static void step_close_all(void)
{
	if (below(2))
		closefrom(3);
	else
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	say_open(0);
}

/* The rest of what one call did not transfer, as a program does that. */
static size_t rest(int fd, unsigned char *p, size_t done, size_t n, bool out)
{
	while (done < n) {
		ssize_t ret = out ? write(fd, p + done, n - done) :
				    read(fd, p + done, n - done);

		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	return done;
}

/* Half of @a by a pipe, a socket, or a file, and back into its other half. */
static void through(struct area *a, int in, int out, size_t n)
{
	unsigned char *p = a->p, *q = a->p + a->n / 2 * PAGE;
	size_t half = n / 2;
	struct iovec v[2] = { { p, half }, { p + half, n - half } };
	struct iovec w[2] = { { q, half }, { q + half, n - half } };
	ssize_t put = writev(in, v, 2), got;

	CHECK(put > 0);
	put = (ssize_t)rest(in, p, (size_t)put, n, true);
	lseek(out, 0, SEEK_SET);
	got = readv(out, w, 2);
	CHECK(got > 0);
	got = (ssize_t)rest(out, q, (size_t)got, n, false);
	say("%zd out, %zd in: %#jx", put, got,
	    (uintmax_t)hash(a->p, a->n * PAGE));
}

static void step_transfer(void)
{
	struct area *a = any_area(false);
	int fd[2];
	size_t n;

	if (!a || a->n < 2)
		return;
	n = (a->n / 2) * PAGE;
	switch (below(3)) {
	case 0:
		CHECK_EQ(pipe(fd), 0);
		n = n < 65536 ? n : 65536;
		break;
	case 1:
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		n = n < 16384 ? n : 16384;
		break;
	default:
		fd[0] = memfd_create("differ", 0);
		fd[1] = dup(fd[0]);
	}
	CHECK(fd[0] >= 0 && fd[1] >= 0);
	through(a, fd[1], fd[0], n);
	close(fd[0]);
	close(fd[1]);
	say_open(fd[0] * 1000 + fd[1]);
}

/* A private mapping of a file, in part written to. */
static void step_file(void)
{
	struct area *a = any_area(false);
	int fd = memfd_create("differ", 0);
	unsigned char *p;
	size_t len;

	CHECK(fd >= 0);
	if (a) {
		len = a->n * PAGE;
		say("%zd", pwrite(fd, a->p, len, 0));
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		CHECK(p != MAP_FAILED);
		stamp(p, len / 2, seed);
		say("%#jx", (uintmax_t)hash(p, len));
		say("%zd", pread(fd, a->p, len, 0));
		say("%#jx", (uintmax_t)hash(a->p, len));
		CHECK_EQ(munmap(p, len), 0);
	}
	close(fd);
}

const struct step file_steps[] = {
	{ "open", step_open },
	{ "dup", step_dup },
	{ "close", step_close },
	{ "close-all", step_close_all },
	{ "transfer", step_transfer },
	{ "file", step_file },
	{ NULL, NULL },
};
