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
		return; /* nowhere left to say so */
}

void sys_logf(const struct sys_log *log, int level, const char *fmt, ...)
{
	bool hooked = log && log->fn;
	char msg[512];
	int saved = errno;
	va_list ap;

	if (!hooked && level > SYS_WARN)
		return;
	va_start(ap, fmt);
	sys_vformat(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (hooked)
		log->fn(log->arg, level, msg);
	else
		to_stderr(msg);
	errno = saved;
}
