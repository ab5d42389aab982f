// SPDX-License-Identifier: MIT
/*
 * unshare(2) and setns(2).  For some namespaces the kernel refuses a process
 * with more than one thread.  So all memory comes home, libuhmm's threads end,
 * the call is made again, and libuhmm starts anew.
 */
#include <sched.h>

#include "preload.h"
#include "real.h"

FIND(unshare);
FIND(setns);

static bool is_refused(int ret)
{
	return ret < 0 && errno == EINVAL && !thread.inside && manage_pause();
}

static int go_on(int ret)
{
	int err = errno;

	manage_resume();
	errno = err;
	return ret;
}

EXPORT int unshare(int flags)
{
	int ret = REAL(unshare)(flags);

	return is_refused(ret) ? go_on(REAL(unshare)(flags)) : ret;
}

EXPORT int setns(int fd, int type)
{
	int ret = REAL(setns)(fd, type);

	return is_refused(ret) ? go_on(REAL(setns)(fd, type)) : ret;
}
