/* SPDX-License-Identifier: MIT */
/*
 * format.h - text from numbers and strings, by nothing of the C library.
 *
 * snprintf(3) reads the locale and the table of the program's own conversions,
 * either of which may be in memory that is away, and calls the program's code.
 */
#ifndef UHMM_FORMAT_H
#define UHMM_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * As vsnprintf(3) in the C locale, but that @len must be 1 at least, and what
 * is returned is the length of what was written, without the final NUL.
 *
 * Conversions: d i u x c s p f %; flags: # 0 -; a width, a precision (of s and
 * f, of the latter 9 at most); lengths: hh h l ll z j t.  Anything else is
 * copied as it stands, and ends the conversions.
 */
size_t sys_vformat(char *buf, size_t len, const char *fmt, va_list ap);

__attribute__((format(printf, 3, 4))) size_t sys_format(char *buf, size_t len,
							const char *fmt, ...);

#endif
