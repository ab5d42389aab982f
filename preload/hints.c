// SPDX-License-Identifier: MIT
/*
 * Advice that changes nothing in memory: libuhmm does for managed memory what
 * the kernel does for the rest.
 *
 * The kernel is asked in any case, and the program gets its answer: advice
 * never fails for us.  Managed pages are sent away before the kernel is asked
 * to do that, so that the kernel finds those only for which no device has room.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include <uhmm/provider.h>

#include "calls/calls.h"
#include "hints.h"
#include "preload.h"

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif

static bool hint_of(int advice, enum uhmm_advice *ret)
{
	switch (advice) {
	case MADV_NORMAL:
		*ret = UHMM_ADVICE_NORMAL;
		return true;
	case MADV_RANDOM:
		*ret = UHMM_ADVICE_RANDOM;
		return true;
	case MADV_SEQUENTIAL:
		*ret = UHMM_ADVICE_SEQUENTIAL;
		return true;
	case MADV_WILLNEED:
		*ret = UHMM_ADVICE_WILLNEED;
		return true;
	case MADV_COLD:
		*ret = UHMM_ADVICE_COLD;
		return true;
	case MADV_PAGEOUT:
		*ret = UHMM_ADVICE_PAGEOUT;
		return true;
	default:
		return false;
	}
}

bool hint_range(void *addr, size_t len, int advice)
{
	enum uhmm_advice hint;

	if (!hint_of(advice, &hint))
		return false;
	if (len && len <= SIZE_MAX - PAGE - (uintptr_t)addr)
		manage_advise(addr, page_up(len), hint);
	return true;
}

/* ---- posix_madvise ------------------------------------------------------ */

/* POSIX_MADV_DONTNEED must not discard, and the C library ignores it. */
EXPORT int posix_madvise(void *addr, size_t len, int advice)
{
	int old = errno, err = 0;

	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	if (map_is_watched(__builtin_return_address(0)))
		hint_range(addr, len, advice);
	if (sys_madvise(addr, len, advice))
		err = errno;
	errno = old;
	return err;
}

/* ---- process_madvise ----------------------------------------------------- */

static long digits(const char *at)
{
	long n = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		n = n * 10 + (*at - '0');
	return n;
}

/* The process that /proc/thread-self/fdinfo names for @fd, 0: none */
static long pid_of(int fd)
{
	static const char field[] = "\nPid:\t";
	char path[64], text[512], *at;
	ssize_t n;
	int info;

	uhmm_format(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	info = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return 0;
	n = syscall(SYS_read, info, text, sizeof(text) - 1);
	syscall(SYS_close, info);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, field);
	return at ? digits(at + sizeof(field) - 1) : 0;
}

/* Negative numbers that the kernel took mean the caller: PIDFD_SELF_THREAD */
static bool is_this_process(int fd)
{
	return fd < 0 || pid_of(fd) == getpid();
}

/* Give the advice that the kernel took for the first @bytes of @v. */
static void hint_vectors(const struct iovec *v, size_t nr, size_t bytes,
			 int advice)
{
	for (size_t i = 0; i < nr && bytes; i++) {
		size_t len = calls_least(v[i].iov_len, bytes);

		hint_range(v[i].iov_base, len, advice);
		bytes -= len;
	}
}

long hint_process(const long *a)
{
	const struct iovec *v = (const struct iovec *)a[1];
	size_t nr = (size_t)a[2];
	enum uhmm_advice hint;
	long ret;

	if (nr <= IOV_MAX)
		calls_can_read(v, nr * sizeof(*v));
	ret = syscall(SYS_process_madvise, a[0], v, nr, a[3], a[4]);
	if (ret > 0 && manage_is_on() && hint_of((int)a[3], &hint) &&
	    is_this_process((int)a[0])) {
		int err = errno;

		hint_vectors(v, nr, (size_t)ret, (int)a[3]);
		errno = err;
	}
	return ret;
}

EXPORT ssize_t process_madvise(int fd, const struct iovec *v, size_t nr,
			       int advice, unsigned flags)
{
	const long a[] = { fd, (long)v, (long)nr, advice, (long)flags };

	if (!map_is_watched(__builtin_return_address(0)))
		return syscall(SYS_process_madvise, fd, v, nr, advice, flags);
	return hint_process(a);
}
