/* SPDX-License-Identifier: MIT */
/* call.h - a system call: its result or -errno, and errno left alone */
#ifndef UHMM_CALL_H
#define UHMM_CALL_H

#include <errno.h>
#include <unistd.h>

static inline long call(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret == -1) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

#endif
