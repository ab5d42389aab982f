// SPDX-License-Identifier: MIT
/*
 * readv(2), writev(2) and their kin, as transfer.c does for one buffer; and
 * vectors of buffers, for messages as well.
 */
/* preadv() and preadv64(), say, are two functions in this file. */
#undef _FILE_OFFSET_BITS
#include "calls/calls.h"

#define NR_REST 32 /* entries of one call: stacks may be small */

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

/*
 * The rest of a call that has transferred @done bytes while memory became
 * managed, up to NR_REST entries at a time.
 */
static ssize_t finish_vec(struct vec_transfer t, ssize_t done)
{
	struct iovec rest[NR_REST];
	struct vec_transfer part = t;

	part.vec = rest;
	part.whole = t.writes || calls_kind_of(t.fd) == FILE_KIND;
	while (part.whole) {
		size_t nr = calls_vec_rest(t.vec, (size_t)t.nr, (size_t)done,
					   rest, NR_REST);
		ssize_t ret;

		if (!nr || !vec_has_stopped(&t, rest, nr))
			break;
		part.nr = (int)nr;
		part.at = t.at < 0 ? t.at : t.at + done;
		ret = go_on_vec(&part);
		done += ret > 0 ? ret : 0;
		if (ret <= 0 || (size_t)ret < calls_vec_bytes(rest, nr))
			break;
	}
	return done;
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

/* Make @call, and what is left of it; the rest is what describes it. */
#define TRANSFER_VEC(call, ...)                                     \
	do {                                                        \
		struct vec_transfer t_ = {                          \
			.fd = fd, .vec = vec, .nr = nr, __VA_ARGS__ \
		};                                                  \
                                                                    \
		PLAIN_UNTIL(ssize_t, call, finish_vec(t_, ret_));   \
		return transfer_vec(t_);                            \
	} while (0)

EXPORT ssize_t readv(int fd, const struct iovec *vec, int nr)
{
	DIRECT_VEC(-1, 0, false);
	TRANSFER_VEC(REAL(readv)(fd, vec, nr), .at = -1, .real = do_readv);
}

EXPORT ssize_t writev(int fd, const struct iovec *vec, int nr)
{
	DIRECT_VEC(-1, 0, true);
	TRANSFER_VEC(REAL(writev)(fd, vec, nr), .at = -1, .writes = true,
		     .real = do_writev);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *vec, int nr, off64_t at,
			  int flags)
{
	DIRECT_VEC(at, flags, false);
	TRANSFER_VEC(REAL(preadv64v2)(fd, vec, nr, at, flags), .at = at,
		     .flags = flags, .real = do_preadv);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *vec, int nr, off64_t at,
			   int flags)
{
	DIRECT_VEC(at, flags, true);
	TRANSFER_VEC(REAL(pwritev64v2)(fd, vec, nr, at, flags), .at = at,
		     .flags = flags, .writes = true, .real = do_pwritev);
}

/*
 * Of preadv2(2) -1 is the file's position; here each negative one is an error.
 */
EXPORT ssize_t preadv64(int fd, const struct iovec *vec, int nr, off64_t at)
{
	if (at < 0)
		return REAL(preadv64)(fd, vec, nr, at);
	DIRECT_VEC(at, 0, false);
	TRANSFER_VEC(REAL(preadv64)(fd, vec, nr, at), .at = at,
		     .real = do_preadv);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *vec, int nr, off64_t at)
{
	if (at < 0)
		return REAL(pwritev64)(fd, vec, nr, at);
	DIRECT_VEC(at, 0, true);
	TRANSFER_VEC(REAL(pwritev64)(fd, vec, nr, at), .at = at, .writes = true,
		     .real = do_pwritev);
}

EXPORT ssize_t preadv(int fd, const struct iovec *vec, int nr, off_t at)
	__attribute__((alias("preadv64")));
EXPORT ssize_t pwritev(int fd, const struct iovec *vec, int nr, off_t at)
	__attribute__((alias("pwritev64")));
EXPORT ssize_t preadv2(int fd, const struct iovec *vec, int nr, off_t at,
		       int flags) __attribute__((alias("preadv64v2")));
EXPORT ssize_t pwritev2(int fd, const struct iovec *vec, int nr, off_t at,
			int flags) __attribute__((alias("pwritev64v2")));
