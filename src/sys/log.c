/* SPDX-License-Identifier: MIT */
/* log.c - messages, formatted on the stack and handed out in one piece */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/sys.h"

static void to_stderr(const char *msg)
{
	char line[560];
	int len = snprintf(line, sizeof(line), "uhmm: %s\n", msg);

	if (len >= (int)sizeof(line))
		len = (int)sizeof(line) - 1;
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
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
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (hooked)
		log->fn(log->arg, level, msg);
	else
		to_stderr(msg);
	errno = saved;
}

size_t sys_format(char *buf, size_t len, const char *fmt, ...)
{
	int saved = errno, n;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(buf, len, fmt, ap);
	va_end(ap);
	errno = saved;
	if (n < 0)
		return 0;
	return (size_t)n < len ? (size_t)n : len - 1;
}
