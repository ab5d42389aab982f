// SPDX-License-Identifier: MIT
/*
 * Programs that close all descriptors, or place others at chosen numbers:
 * libuhmm's descriptors stay.
 *
 * Closing one of them succeeds, as the program sees the number in use, in
 * /proc/self/fd for example.  Placing another descriptor there fails with
 * EBADF, the error for a number beyond the limit.
 */
#include <limits.h>

#include "preload.h"
#include "real.h"

FIND(close);
FIND(close_range);
FIND(dup2);
FIND(dup3);

static bool is_kept(int fd)
{
	return fd > STDERR_FILENO && uhmm_fd_next(fd) == fd;
}

EXPORT int close(int fd)
{
	return unlikely(is_kept(fd)) ? 0 : REAL(close)(fd);
}

EXPORT int dup2(int from, int to)
{
	if (likely(from == to || !is_kept(to)))
		return REAL(dup2)(from, to);
	errno = EBADF;
	return -1;
}

EXPORT int dup3(int from, int to, int flags)
{
	if (likely(!is_kept(to)))
		return REAL(dup3)(from, to, flags);
	errno = EBADF;
	return -1;
}

/* Close the gaps between libuhmm's descriptors. */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	int kept;

	while (first <= last && first <= INT_MAX &&
	       (kept = uhmm_fd_next((int)first)) >= 0 &&
	       (unsigned)kept <= last) {
		if ((unsigned)kept > first &&
		    REAL(close_range)(first, (unsigned)kept - 1, flags))
			return -1;
		if ((unsigned)kept == last)
			return 0;
		first = (unsigned)kept + 1;
	}
	return REAL(close_range)(first, last, flags);
}

EXPORT void closefrom(int from)
{
	int err = errno, end = (int)sysconf(_SC_OPEN_MAX);
	unsigned first = from < 0 ? 0 : (unsigned)from;

	if (close_range(first, UINT_MAX, 0))
		for (int fd = (int)first; fd < end; fd++)
			close(fd);
	errno = err;
}
