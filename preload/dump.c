// SPDX-License-Identifier: MIT
/*
 * The default of signals that dump core, with all pages at home.
 *
 * A core is written when no thread of the process runs any more, and what is
 * away then is zeroes in it.  So all pages come home before, in the handler, if
 * a core will be written.  Then the signal is sent again, with what was known
 * about it: it is delivered on return from here, where it came from, and does
 * what it always does.  Where the signal cannot be sent as it was, and an
 * instruction raised it, it will do so again.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "preload.h"
#include "signals.h"

#define PATIENCE_MS 10000

/* Cores that a program takes know no limit. */
static bool goes_to_program(void)
{
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	char first = 0;

	if (fd < 0)
		return false;
	if (read(fd, &first, 1) != 1)
		first = 0;
	close(fd);
	return first == '|' || first == '@';
}

static bool will_dump(void)
{
	struct rlimit limit;

	if (prctl(PR_GET_DUMPABLE) == 0)
		return false;
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur)
		return true;
	return goes_to_program();
}

void signals_send(int sig, const siginfo_t *info)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	if (!syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, sig, info))
		return;
	if (info->si_code <= 0 || sig == SIGTRAP || sig == SIGSYS)
		syscall(SYS_tgkill, getpid(), tid, sig);
}

void on_fatal(int sig, siginfo_t *info, void *context)
{
	int err = errno, failed;

	if (masks_hold(sig, info, context)) {
		errno = err;
		return;
	}
	failed = will_dump() ? manage_rescue(PATIENCE_MS) : 0;
	if (failed)
		say("the core dump lacks memory that is on devices: %s",
		    strerrordesc_np(-failed));
	signals_default(sig);
	signals_send(sig, info);
	errno = err;
}
