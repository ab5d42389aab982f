// SPDX-License-Identifier: MIT
/*
 * Signals that dump core by default.
 *
 * The kernel writes a core when no thread of the process runs any more, so away
 * pages would be zeroes in it.  If a core will be written, our handler brings
 * all pages home first.  It then sets the default and sends the signal again
 * with the same siginfo.  The signal is delivered when the handler returns to
 * the interrupted instruction.  If the siginfo cannot be sent and an
 * instruction raised the signal, that instruction raises it again.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "preload.h"
#include "signals.h"

#define PATIENCE_MS 10000

/* A core that is piped to a program is written despite RLIMIT_CORE == 0. */
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
