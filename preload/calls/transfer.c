// SPDX-License-Identifier: MIT
/*
 * read(2), write(2) and their kin.
 *
 * Files, pipes and stream sockets consume no data before the kernel has copied
 * them, so a call that failed is made again.  Ttys, datagram sockets, event and
 * timer descriptors consume data first, so the buffer is pinned before the
 * call.
 *
 * A short read of a file, and any short write, is continued if the page at
 * which it stopped may have been away.
 *
 * After a failure only the first part of a read is asked for, WINDOW bytes that
 * were brought home: all of it may not fit in RAM at once, and TCP copies what
 * arrived as one piece, which may be any size, whole or not at all.
 */
/* pread() and pread64(), say, are two functions in this file. */
#undef _FILE_OFFSET_BITS
#include <sys/stat.h>

#include "calls/calls.h"

enum kind calls_kind_of_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return TAKES_KIND;
	return type == SOCK_STREAM ? STREAM_KIND : TAKES_KIND;
}

enum kind calls_kind_of(int fd)
{
	enum kind kind = TAKES_KIND;
	int err = errno;
	struct stat st;

	/* Past libraries that wrap fstat(). */
	if (syscall(SYS_fstat, fd, &st) == 0) {
		if ((S_ISREG(st.st_mode) && st.st_size) || S_ISBLK(st.st_mode))
			kind = FILE_KIND;
		else if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ||
			 S_ISDIR(st.st_mode)) /* or a file of /proc */
			kind = STREAM_KIND;
		else if (S_ISSOCK(st.st_mode))
			kind = calls_kind_of_socket(fd);
	}
	errno = err;
	return kind;
}

/*
 * May the transfer have stopped at an away page?  That page may be back by now,
 * or have left during the call.  So a short read of a file in managed memory is
 * always continued: at the end of the file another read returns 0.
 */
static bool has_stopped(const struct transfer *t)
{
	if (t->writes)
		return calls_stopped(t->p, t->len, false);
	return calls_on() && calls_may_be_away(t->p, t->len);
}

/*
 * The @n-th attempt, for the first @len bytes.  Pages that were brought home
 * may leave again before the kernel uses them, so after PATIENCE attempts the
 * first ones are pinned.
 */
static ssize_t transfer_once(const struct transfer *t, size_t len, unsigned n)
{
	struct transfer part = *t;
	const struct buf first = { t->p, calls_least(len, WINDOW), !t->writes };

	part.len = len;
	if (likely(n < PATIENCE))
		return part.real(&part);
	HOLD(first);
	return part.real(&part);
}

/*
 * How many bytes are asked for after a failure.  A write is never cut: it goes
 * as far as memory is home, and may be one message.
 */
static size_t first_bytes(const struct transfer *t)
{
	if (t->writes || t->len <= WINDOW || calls_kind_of(t->fd) == TAKES_KIND)
		return t->len;
	return WINDOW;
}

ssize_t calls_go_on(struct transfer *t, bool whole)
{
	size_t asked = t->len;
	ssize_t done = 0;
	unsigned n = 0;

	for (;;) {
		ssize_t ret = transfer_once(t, asked, n);

		if (ret > 0) {
			bool is_short = (size_t)ret < asked;

			done += ret;
			t->p += ret;
			t->len -= (size_t)ret;
			t->at += t->at < 0 ? 0 : ret;
			if (!t->len || !whole || (is_short && !has_stopped(t)))
				return done;
			asked = t->len;
			n = 0;
			continue;
		}
		if (ret == 0 || errno != EFAULT)
			return done ? done : ret;
		asked = first_bytes(t);
		if (!calls_window(n++, t->p, asked, !t->writes))
			return done ? done : ret;
	}
}

ssize_t calls_finish(struct transfer t, ssize_t done, bool whole)
{
	ssize_t rest;

	if (!whole || (size_t)done >= t.len)
		return done;
	t.p += done;
	t.len -= (size_t)done;
	t.at += t.at < 0 ? 0 : done;
	rest = has_stopped(&t) ? calls_go_on(&t, true) : 0;
	return rest > 0 ? done + rest : done;
}

/* A file was read while memory became managed: programs expect all of it. */
static ssize_t finish_read(struct transfer t, ssize_t done)
{
	return calls_finish(t, done, calls_kind_of(t.fd) == FILE_KIND);
}

static ssize_t finish_write(struct transfer t, ssize_t done)
{
	t.writes = true;
	return calls_finish(t, done, true);
}

static ssize_t read_on(struct transfer t)
{
	enum kind kind = STREAM_KIND;

	if (calls_on() && calls_may_be_away(t.p, t.len))
		kind = calls_kind_of(t.fd);
	if (kind == TAKES_KIND) {
		HOLD(OUT(t.p, t.len));
		return t.real(&t);
	}
	return calls_go_on(&t, kind == FILE_KIND);
}

static ssize_t write_on(struct transfer t)
{
	t.writes = true;
	return calls_go_on(&t, true);
}

FIND(read);
FIND(write);

static ssize_t do_read(const struct transfer *t)
{
	return REAL(read)(t->fd, t->p, t->len);
}

static ssize_t do_write(const struct transfer *t)
{
	return REAL(write)(t->fd, t->p, t->len);
}

#define TRANSFER(...) ((struct transfer){ __VA_ARGS__ })

EXPORT ssize_t read(int fd, void *p, size_t len)
{
	struct transfer t = TRANSFER(.fd = fd, .p = p, .len = len, .at = -1,
				     .real = do_read);

	DIRECT(fd, p, len, -1, false);
	PLAIN_UNTIL(ssize_t, REAL(read)(fd, p, len), finish_read(t, ret_));
	return read_on(t);
}

EXPORT ssize_t write(int fd, const void *p, size_t len)
{
	struct transfer t = TRANSFER(.fd = fd, .p = (char *)p, .len = len,
				     .at = -1, .real = do_write);

	DIRECT(fd, p, len, -1, true);
	PLAIN_UNTIL(ssize_t, REAL(write)(fd, p, len), finish_write(t, ret_));
	return write_on(t);
}

#define PREAD(name, off_type)                                              \
	FIND(name);                                                        \
	static ssize_t do_##name(const struct transfer *t)                 \
	{                                                                  \
		return REAL(name)(t->fd, t->p, t->len, t->at);             \
	}                                                                  \
	EXPORT ssize_t name(int fd, void *p, size_t len, off_type at)      \
	{                                                                  \
		struct transfer t = TRANSFER(.fd = fd, .p = p, .len = len, \
					     .at = at, .real = do_##name); \
                                                                           \
		if ((at) >= 0)                                             \
			DIRECT(fd, p, len, at, false);                     \
		PLAIN_UNTIL(ssize_t, REAL(name)(fd, p, len, at),           \
			    finish_read(t, ret_));                         \
		return read_on(t);                                         \
	}

#define PWRITE(name, off_type)                                              \
	FIND(name);                                                         \
	static ssize_t do_##name(const struct transfer *t)                  \
	{                                                                   \
		return REAL(name)(t->fd, t->p, t->len, t->at);              \
	}                                                                   \
	EXPORT ssize_t name(int fd, const void *p, size_t len, off_type at) \
	{                                                                   \
		struct transfer t = TRANSFER(.fd = fd, .p = (char *)p,      \
					     .len = len, .at = at,          \
					     .real = do_##name);            \
                                                                            \
		if ((at) >= 0)                                              \
			DIRECT(fd, p, len, at, true);                       \
		PLAIN_UNTIL(ssize_t, REAL(name)(fd, p, len, at),            \
			    finish_write(t, ret_));                         \
		return write_on(t);                                         \
	}

PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
