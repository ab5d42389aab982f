// SPDX-License-Identifier: MIT
/*
 * Transfers of files with O_DIRECT.
 *
 * The device writes to the program's pages, or reads them, until the call ends:
 * a page that moved meanwhile would miss the rest.  And the whole call fails if
 * one page is away.  So the pages are pinned, in every mode.  As RAM is limited
 * only a part of a large call is pinned and transferred at a time.
 *
 * A part ends where a block of the file ends, so each part is aligned as the
 * whole call is.  To the program it is one call.  A short part, or one that
 * fails, ends it.  An error is returned if nothing was transferred before.  A
 * call at the file's position first advances the position by the whole length,
 * so that other threads' transfers at that position come before or after all of
 * it.
 */
/* pread() and pread64(), say, are two functions in this file. */
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <sys/stat.h>

#include "calls/calls.h"

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif

#define LEAST_PART   ((size_t)256 << 10)
#define MOST_PART    ((size_t)4 << 20)
#define GRAIN	     ((size_t)64 << 10)	  /* a multiple of block sizes */
#define MOST	     ((size_t)0x7ffff000) /* of one call, see read(2) */
#define PART_BUFS    16
#define MAX_FAILURES 6

FIND(preadv64v2);
FIND(pwritev64v2);

/* ---- Is it one? --------------------------------------------------------- */

static bool is_direct_file(int fd)
{
	long flags = syscall(SYS_fcntl, fd, F_GETFL);
	struct stat st;

	return flags >= 0 && flags & O_DIRECT && !syscall(SYS_fstat, fd, &st) &&
	       (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

bool calls_is_direct(int fd, const void *p, size_t len)
{
	int err = errno;
	bool is = calls_may_be_away(p, len) && is_direct_file(fd);

	errno = err;
	return is;
}

/*
 * Is any of @vec managed?  False as well if an entry is not aligned: the kernel
 * refuses the call.
 */
static bool is_vec_aligned(const struct iovec *vec, size_t nr)
{
	bool managed = false;

	for (size_t i = 0; i < nr; i++) {
		if (!calls_is_aligned(vec[i].iov_base, vec[i].iov_len))
			return false;
		managed = managed ||
			  calls_may_be_away(vec[i].iov_base, vec[i].iov_len);
	}
	return managed;
}

bool calls_is_direct_vec(int fd, const struct iovec *vec, int nr)
{
	int err = errno;
	struct quiet old;
	bool is;

	if (nr <= 0 || nr > MAX_VEC || !is_direct_file(fd)) {
		errno = err;
		return false;
	}
	calls_enter(&old);
	is = manage_fault_in(vec, (size_t)nr * sizeof(*vec), false) >= 0;
	calls_leave(&old);
	errno = err;
	return is && is_vec_aligned(vec, (size_t)nr);
}

/* ---- Parts -------------------------------------------------------------- */

static size_t part_size(void)
{
	size_t size = settings.ram / 8 & ~(GRAIN - 1);

	if (size < LEAST_PART)
		return LEAST_PART;
	return size > MOST_PART ? MOST_PART : size;
}

/* Take up to @most bytes of @d's buffers, from byte @done on. */
static size_t cut(const struct direct *d, size_t done, size_t most,
		  struct iovec *ret, size_t *ret_bytes)
{
	size_t nr = calls_vec_rest(d->vec, d->nr, done, ret, PART_BUFS);
	size_t bytes = 0, n = 0;

	while (n < nr && bytes < most) {
		if (ret[n].iov_len > most - bytes)
			ret[n].iov_len = most - bytes;
		bytes += ret[n++].iov_len;
	}
	*ret_bytes = bytes;
	return n;
}

static ssize_t transfer_direct(const struct direct *d, const struct iovec *vec,
			       size_t nr, off64_t at)
{
	HOLD_NOTHING;

	for (size_t i = 0; i < nr; i++)
		calls_hold(&hold, BUFS({ vec[i].iov_base, vec[i].iov_len,
					 !d->writes }));
	if (d->writes)
		return REAL(pwritev64v2)(d->fd, vec, (int)nr, at, d->flags);
	return REAL(preadv64v2)(d->fd, vec, (int)nr, at, d->flags);
}

static ssize_t in_parts(const struct direct *d, size_t len, off64_t at)
{
	size_t most = part_size(), done = 0, bytes, failures = 0;
	struct iovec part[PART_BUFS];

	while (done < len) {
		size_t left = len - done;
		size_t nr =
			cut(d, done, left < most ? left : most, part, &bytes);
		ssize_t ret = transfer_direct(d, part, nr,
					      at < 0 ? at : at + (off64_t)done);

		if (ret < 0 && errno == EFAULT && failures++ < MAX_FAILURES &&
		    most > GRAIN) {
			most = most / 2 & ~(GRAIN - 1);
			continue;
		}
		if (ret < 0)
			return done ? (ssize_t)done : ret;
		done += (size_t)ret;
		if ((size_t)ret < bytes)
			break;
	}
	return (ssize_t)done;
}

/* ---- At the file's position --------------------------------------------- */

static bool has_position(const struct direct *d)
{
	long flags = syscall(SYS_fcntl, d->fd, F_GETFL);

	return d->at == -1 &&
	       !(d->writes && (flags & O_APPEND || d->flags & RWF_APPEND));
}

/* Afterwards move the position back by what was not transferred. */
static ssize_t at_position(const struct direct *d, size_t len)
{
	off64_t end = lseek64(d->fd, (off64_t)len, SEEK_CUR);
	ssize_t done;
	int err;

	if (end < 0)
		return in_parts(d, len, d->at);
	done = in_parts(d, len, end - (off64_t)len);
	err = errno;
	if (done < (ssize_t)len)
		lseek64(d->fd, (done < 0 ? 0 : done) - (off64_t)len, SEEK_CUR);
	errno = err;
	return done;
}

ssize_t calls_direct(const struct direct *d)
{
	size_t len = calls_vec_bytes(d->vec, d->nr);

	if (len > MOST)
		len = MOST;
	if (d->flags & RWF_ATOMIC)
		return transfer_direct(d, d->vec, d->nr, d->at);
	if (len > part_size() && has_position(d))
		return at_position(d, len);
	return in_parts(d, len, d->at);
}
