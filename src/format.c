// SPDX-License-Identifier: MIT
/* format.c - text for providers; all of it is sys/format.c */
#include <uhmm/provider.h>

#include "sys/format.h"

size_t uhmm_vformat(char *buf, size_t len, const char *fmt, va_list ap)
{
	return sys_vformat(buf, len, fmt, ap);
}

size_t uhmm_format(char *buf, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	len = sys_vformat(buf, len, fmt, ap);
	va_end(ap);
	return len;
}
