// SPDX-License-Identifier: MIT
/* said.c - see said.h */
#include "core/device/said.h"

#include <uhmm/provider.h>

#include "sys/format.h"

/* The last byte stays 0 also when a signal handler writes in between. */
static _Thread_local char said[192];

void said_clear(void)
{
	said[0] = '\0';
}

const char *said_text(void)
{
	return said;
}

int uhmm_provider_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sys_vformat(said, sizeof(said), fmt, ap);
	va_end(ap);
	return err;
}
