/* SPDX-License-Identifier: MIT */
/* table.h - what the functions that are made from calls.table use. */
#ifndef UHMM_CALLS_TABLE_H
#define UHMM_CALLS_TABLE_H

#include <fcntl.h>
#include <stdarg.h>

#include "calls/calls.h"

_Noreturn void __chk_fail(void);

static inline void check_room(size_t len, size_t room)
{
	if (unlikely(len > room))
		__chk_fail();
}

static inline size_t times_size(size_t size, size_t n)
{
	size_t len;

	return __builtin_mul_overflow(size, n, &len) ? SIZE_MAX : len;
}

/* A mode must be given where a file may be made. */
static inline bool needs_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#endif
