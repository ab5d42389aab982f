// SPDX-License-Identifier: MIT
/* Calls with unknown arguments: ioctl(2), semctl(2), their kin, syscall(2). */
/* fcntl() and fcntl64() are two functions in this file. */
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sem.h>

#include "calls/calls.h"

#define GUESS	     4096      /* bytes, unless the call encodes a size */
#define ALL_OF_A_SET (1 << 16) /* semaphores; a shorter buffer does no harm */

/*
 * An argument that may be a buffer.  Its pages come home for reading, and for
 * writing from the third retry on (@n_ of REPEAT()), when reading was not
 * enough.
 */
#define GUESSED(p, len) ((struct buf){ (p), (len), n_ >= 2 })

FIND(ioctl);
EXPORT int ioctl(int fd, unsigned long cmd, ...)
{
	size_t len = _IOC_SIZE(cmd) ? _IOC_SIZE(cmd) : GUESS;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	remote_ioctl(cmd, arg, __builtin_return_address(0));
	REPEAT(ret, IS_MINUS_1, REAL(ioctl)(fd, cmd, arg), GUESSED(arg, len));
	return ret;
}

#define FCNTL(name)                                               \
	FIND(name);                                               \
	EXPORT int name(int fd, int cmd, ...)                     \
	{                                                         \
		va_list ap;                                       \
		void *arg;                                        \
		int ret;                                          \
                                                                  \
		va_start(ap, cmd);                                \
		arg = va_arg(ap, void *);                         \
		va_end(ap);                                       \
		REPEAT(ret, IS_MINUS_1, REAL(name)(fd, cmd, arg), \
		       GUESSED(arg, sizeof(struct flock64)));     \
		return ret;                                       \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

FIND(semctl);
EXPORT int semctl(int id, int nr, int op, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, op);
	arg = va_arg(ap, void *);
	va_end(ap);
	REPEAT(ret, IS_MINUS_1, REAL(semctl)(id, nr, op, arg),
	       GUESSED(arg,
		       op == GETALL || op == SETALL ? ALL_OF_A_SET : GUESS));
	return ret;
}

FIND(prctl);
EXPORT int prctl(int op, ...)
{
	unsigned long a[4];
	va_list ap;
	int ret;

	va_start(ap, op);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	filter_prctl((unsigned long)op, a[0], a[1]);
	REPEAT(ret, IS_MINUS_1, REAL(prctl)(op, a[0], a[1], a[2], a[3]),
	       GUESSED((void *)a[0], GUESS));
	return ret;
}

/*
 * Bring home the pages of each argument that points to managed memory.  At most
 * some pages come home in vain.  Calls of libuhmm are left alone: libuhmm knows
 * its buffers, and may hold a lock.
 */
static bool again_args(unsigned n_, const long *a, const void *caller)
{
	struct buf bufs[6];
	size_t nr = 0;

	if (map_is_own(caller))
		return false;
	for (size_t i = 0; i < 6; i++) {
		const void *p = (const void *)a[i];

		if (!calls_may_be_away(p, 1))
			continue;
		bufs[nr++] = GUESSED(p, GUESS);
	}
	return nr && calls_again(n_, bufs, nr);
}

FIND(syscall);
EXPORT long syscall(long number, ...)
{
	long a[6], ret;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (unlikely(number == SYS_io_uring_setup) && ring_is_refused()) {
		errno = ENOSYS;
		return -1;
	}
	filter_syscall(number, a);
	if (map_syscall(number, a, __builtin_return_address(0), &ret))
		return ret;
	if (unlikely(calls_may_be_direct()) &&
	    !map_is_own(__builtin_return_address(0)) &&
	    aio_syscall(number, a, &ret))
		return ret;
	ret = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	for (unsigned n = 0; unlikely(IS_MINUS_1(ret)) &&
			     again_args(n, a, __builtin_return_address(0));
	     n++)
		ret = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return ret;
}
