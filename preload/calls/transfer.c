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

#define NR_REST 32 /* entries of one call: stacks may be small */

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

/* ---- One buffer -------------------------------------------------------- */

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
	DIRECT(fd, p, len, -1, false);
	PLAIN(ssize_t, REAL(read)(fd, p, len));
	return read_on(TRANSFER(.fd = fd, .p = p, .len = len, .at = -1,
				.real = do_read));
}

EXPORT ssize_t write(int fd, const void *p, size_t len)
{
	DIRECT(fd, p, len, -1, true);
	PLAIN(ssize_t, REAL(write)(fd, p, len));
	return write_on(TRANSFER(.fd = fd, .p = (char *)p, .len = len, .at = -1,
				 .real = do_write));
}

#define PREAD(name, off_type)                                          \
	FIND(name);                                                    \
	static ssize_t do_##name(const struct transfer *t)             \
	{                                                              \
		return REAL(name)(t->fd, t->p, t->len, t->at);         \
	}                                                              \
	EXPORT ssize_t name(int fd, void *p, size_t len, off_type at)  \
	{                                                              \
		if ((at) >= 0)                                         \
			DIRECT(fd, p, len, at, false);                 \
		PLAIN(ssize_t, REAL(name)(fd, p, len, at));            \
		return read_on(TRANSFER(.fd = fd, .p = p, .len = len,  \
					.at = at, .real = do_##name)); \
	}

#define PWRITE(name, off_type)                                                 \
	FIND(name);                                                            \
	static ssize_t do_##name(const struct transfer *t)                     \
	{                                                                      \
		return REAL(name)(t->fd, t->p, t->len, t->at);                 \
	}                                                                      \
	EXPORT ssize_t name(int fd, const void *p, size_t len, off_type at)    \
	{                                                                      \
		if ((at) >= 0)                                                 \
			DIRECT(fd, p, len, at, true);                          \
		PLAIN(ssize_t, REAL(name)(fd, p, len, at));                    \
		return write_on(TRANSFER(.fd = fd, .p = (char *)p, .len = len, \
					 .at = at, .real = do_##name));        \
	}

PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* ---- Vectors ----------------------------------------------------------- */

size_t calls_vec_rest(const struct iovec *vec, size_t nr, size_t done,
		      struct iovec *ret, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < nr && n < room; i++) {
		size_t skip = done < vec[i].iov_len ? done : vec[i].iov_len;

		done -= skip;
		if (skip == vec[i].iov_len)
			continue;
		ret[n].iov_base = (char *)vec[i].iov_base + skip;
		ret[n++].iov_len = vec[i].iov_len - skip;
	}
	return n;
}

size_t calls_vec_bytes(const struct iovec *vec, size_t nr)
{
	size_t bytes = 0;

	for (size_t i = 0; i < nr; i++)
		bytes += vec[i].iov_len;
	return bytes;
}

size_t calls_vec_cut(struct iovec *vec, size_t nr, size_t room)
{
	size_t n = 0;

	for (; n < nr && room; n++) {
		vec[n].iov_len = calls_least(vec[n].iov_len, room);
		room -= vec[n].iov_len;
	}
	return n;
}

bool calls_vec_home(const struct iovec *vec, size_t nr)
{
	return nr && nr <= MAX_VEC && calls_can_read(vec, nr * sizeof(*vec));
}

bool calls_vec_again(unsigned n, const struct iovec *vec, size_t nr, bool write)
{
	struct buf bufs[CALLS_MAX_BUFS];
	size_t i = 1;

	bufs[0] = (struct buf)IN(vec, nr * sizeof(*vec));
	if (!calls_vec_home(vec, nr))
		return false;
	for (size_t k = 0; k < nr && i < CALLS_MAX_BUFS; k++)
		if (vec[k].iov_len)
			bufs[i++] = (struct buf){ vec[k].iov_base,
						  vec[k].iov_len, write };
	return calls_again(n, bufs, i);
}

bool calls_vec_may_be_away(const struct iovec *vec, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (calls_may_be_away(vec[i].iov_base, vec[i].iov_len))
			return true;
	return false;
}

bool calls_vec_stopped(const struct iovec *rest, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (calls_stopped(rest[i].iov_base, rest[i].iov_len, false))
			return true;
	return false;
}

bool calls_vec_hold(struct hold *h, const struct iovec *vec, size_t nr)
{
	bool all = true;

	for (size_t i = 0; i < nr; i++)
		all = calls_hold(h,
				 BUFS(OUT(vec[i].iov_base, vec[i].iov_len))) &&
		      all;
	return all;
}

struct vec_transfer {
	bool writes, whole;
	int fd, nr, flags;
	const struct iovec *vec;
	off64_t at;
	ssize_t (*real)(const struct vec_transfer *t);
};

/* See has_stopped(). */
static bool vec_has_stopped(const struct vec_transfer *t,
			    const struct iovec *rest, size_t nr)
{
	return t->writes ? calls_vec_stopped(rest, nr) : calls_on();
}

static void hold_first(struct hold *h, const struct vec_transfer *t)
{
	size_t room = WINDOW;

	for (int i = 0; i < t->nr && room; i++) {
		size_t len = t->vec[i].iov_len;

		len = len < room ? len : room;
		calls_hold(h, BUFS({ t->vec[i].iov_base, len, !t->writes }));
		room -= len;
	}
}

/* See transfer_once(). */
APART ssize_t transfer_first(const struct vec_transfer *t, unsigned n)
{
	HOLD_NOTHING;

	if (unlikely(n >= PATIENCE) && calls_vec_home(t->vec, (size_t)t->nr))
		hold_first(&hold, t);
	return t->real(t);
}

/* The entries that are asked for after a failure.  @part: of NR_REST */
static struct vec_transfer first_entries(const struct vec_transfer *t,
					 struct iovec *part)
{
	struct vec_transfer ret = *t;
	size_t nr = (size_t)t->nr;

	if (t->writes || !calls_vec_home(t->vec, nr) ||
	    calls_vec_bytes(t->vec, nr) <= WINDOW ||
	    calls_kind_of(t->fd) == TAKES_KIND)
		return ret;
	nr = calls_vec_rest(t->vec, nr, 0, part, NR_REST);
	ret.vec = part;
	ret.nr = (int)calls_vec_cut(part, nr, WINDOW);
	return ret;
}

/*
 * Make the call, then continue with the rest, up to NR_REST entries at a time.
 */
static ssize_t go_on_vec(const struct vec_transfer *all)
{
	struct iovec rest[NR_REST], part[NR_REST];
	struct vec_transfer t = *all, asked = t;
	size_t done = 0, given, nr;
	unsigned n = 0;

	for (;;) {
		ssize_t ret = transfer_first(&asked, n);

		if (ret == 0 || (ret < 0 && errno != EFAULT))
			return done ? (ssize_t)done : ret;
		if (ret < 0) {
			asked = first_entries(&t, part);
			if (calls_vec_again(n++, asked.vec, (size_t)asked.nr,
					    !t.writes))
				continue;
			return done ? (ssize_t)done : ret;
		}
		given = calls_vec_bytes(asked.vec, (size_t)asked.nr);
		done += (size_t)ret;
		t.at += t.at < 0 ? 0 : ret;
		nr = calls_vec_rest(all->vec, (size_t)all->nr, done, rest,
				    NR_REST);
		if (!nr || !t.whole ||
		    ((size_t)ret < given && !vec_has_stopped(&t, rest, nr)))
			return (ssize_t)done;
		t.vec = rest;
		t.nr = (int)nr;
		asked = t;
		n = 0;
	}
}

static ssize_t transfer_vec(struct vec_transfer t)
{
	HOLD_NOTHING;
	enum kind kind = STREAM_KIND;

	if (t.nr <= 0 || t.nr > MAX_VEC)
		return t.real(&t);
	if (!t.writes && calls_on())
		kind = calls_kind_of(t.fd);
	if (kind == TAKES_KIND && calls_vec_home(t.vec, (size_t)t.nr))
		calls_vec_hold(&hold, t.vec, (size_t)t.nr);
	t.whole = t.writes || kind == FILE_KIND;
	return go_on_vec(&t);
}

FIND(readv);
FIND(writev);
FIND(preadv64);
FIND(pwritev64);
FIND(preadv64v2);
FIND(pwritev64v2);

static ssize_t do_readv(const struct vec_transfer *t)
{
	return REAL(readv)(t->fd, t->vec, t->nr);
}

static ssize_t do_writev(const struct vec_transfer *t)
{
	return REAL(writev)(t->fd, t->vec, t->nr);
}

static ssize_t do_preadv(const struct vec_transfer *t)
{
	return REAL(preadv64v2)(t->fd, t->vec, t->nr, t->at, t->flags);
}

static ssize_t do_pwritev(const struct vec_transfer *t)
{
	return REAL(pwritev64v2)(t->fd, t->vec, t->nr, t->at, t->flags);
}

/* The arguments that all of these calls share. */
#define VEC(...)                            \
	transfer_vec((struct vec_transfer){ \
		.fd = fd, .vec = vec, .nr = nr, __VA_ARGS__ })

EXPORT ssize_t readv(int fd, const struct iovec *vec, int nr)
{
	DIRECT_VEC(-1, 0, false);
	PLAIN(ssize_t, REAL(readv)(fd, vec, nr));
	return VEC(.at = -1, .real = do_readv);
}

EXPORT ssize_t writev(int fd, const struct iovec *vec, int nr)
{
	DIRECT_VEC(-1, 0, true);
	PLAIN(ssize_t, REAL(writev)(fd, vec, nr));
	return VEC(.at = -1, .writes = true, .real = do_writev);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *vec, int nr, off64_t at,
			  int flags)
{
	DIRECT_VEC(at, flags, false);
	PLAIN(ssize_t, REAL(preadv64v2)(fd, vec, nr, at, flags));
	return VEC(.at = at, .flags = flags, .real = do_preadv);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *vec, int nr, off64_t at,
			   int flags)
{
	DIRECT_VEC(at, flags, true);
	PLAIN(ssize_t, REAL(pwritev64v2)(fd, vec, nr, at, flags));
	return VEC(.at = at, .flags = flags, .writes = true,
		   .real = do_pwritev);
}

/*
 * Of preadv2(2) -1 is the file's position; here each negative one is an error.
 */
EXPORT ssize_t preadv64(int fd, const struct iovec *vec, int nr, off64_t at)
{
	if (at < 0)
		return REAL(preadv64)(fd, vec, nr, at);
	DIRECT_VEC(at, 0, false);
	PLAIN(ssize_t, REAL(preadv64)(fd, vec, nr, at));
	return VEC(.at = at, .real = do_preadv);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *vec, int nr, off64_t at)
{
	if (at < 0)
		return REAL(pwritev64)(fd, vec, nr, at);
	DIRECT_VEC(at, 0, true);
	PLAIN(ssize_t, REAL(pwritev64)(fd, vec, nr, at));
	return VEC(.at = at, .writes = true, .real = do_pwritev);
}

EXPORT ssize_t preadv(int fd, const struct iovec *vec, int nr, off_t at)
	__attribute__((alias("preadv64")));
EXPORT ssize_t pwritev(int fd, const struct iovec *vec, int nr, off_t at)
	__attribute__((alias("pwritev64")));
EXPORT ssize_t preadv2(int fd, const struct iovec *vec, int nr, off_t at,
		       int flags) __attribute__((alias("preadv64v2")));
EXPORT ssize_t pwritev2(int fd, const struct iovec *vec, int nr, off_t at,
			int flags) __attribute__((alias("pwritev64v2")));
