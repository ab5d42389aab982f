// SPDX-License-Identifier: MIT
/*
 * unshare(2) and setns(2), which the kernel refuses to processes with more than
 * one thread for some namespaces: libuhmm's threads end meanwhile, with all
 * memory at home.
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
