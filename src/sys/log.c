/* SPDX-License-Identifier: MIT */
/* log.c - messages, formatted on the stack and handed out in one piece */
#include <errno.h>
#include <unistd.h>

#include "sys/sys.h"

static void to_stderr(const char *msg)
{
	char line[560];
	size_t len = sys_format(line, sizeof(line) - 1, "uhmm: %s", msg);

	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* a message that cannot be written is lost */
}

void sys_log_set(struct sys_log *log, sys_log_fn *fn, void *arg)
{
	uint32_t seq = atomic_load(&log->seq);

	while (seq & 1 ||
	       !atomic_compare_exchange_weak(&log->seq, &seq, seq + 1))
		seq = atomic_load(&log->seq);
	atomic_store(&log->arg, arg);
	atomic_store(&log->fn, fn);
	atomic_store(&log->seq, seq + 2);
}

/*
 * Read @fn and @arg as they were set together.  A writer takes two stores for
 * both, so the loop ends.
 */
static sys_log_fn *hook_of(const struct sys_log *log, void **ret_arg)
{
	sys_log_fn *fn;
	uint32_t seq;

	if (!log)
		return NULL;
	do {
		seq = atomic_load(&log->seq);
		fn = atomic_load(&log->fn);
		*ret_arg = atomic_load(&log->arg);
	} while (seq & 1 || atomic_load(&log->seq) != seq);
	return fn;
}

void sys_logf(const struct sys_log *log, int level, const char *fmt, ...)
{
	void *arg = NULL;
	sys_log_fn *fn = hook_of(log, &arg);
	char msg[512];
	int saved = errno;
	va_list ap;

	if (!fn && level > SYS_WARN)
		return;
	va_start(ap, fmt);
	sys_vformat(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (fn)
		fn(arg, level, msg);
	else
		to_stderr(msg);
	errno = saved;
}
