// SPDX-License-Identifier: MIT
/*
 * Streams.  A stream's own buffer lies outside managed memory, see heap.c.  A
 * large transfer bypasses that buffer: the kernel copies between the file and
 * the program's memory.
 *
 * A transfer may begin before any memory is managed, and wait in the kernel
 * until some is.  So bytes are counted from the start, not items.
 */
/* Functions with and without "64" are different here. */
#undef _FILE_OFFSET_BITS
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>

#include "calls/calls.h"

/* <stdio.h> may define macros of these names. */
#undef fread_unlocked
#undef fwrite_unlocked
#undef fputs_unlocked

#define LARGE  1024 /* less goes through a buffer of a usual size */
#define BUFFER 128  /* the C library bypasses smaller ones as well */

typedef size_t get_fn(void *p, size_t size, size_t n, FILE *f);
typedef size_t put_fn(const void *p, size_t size, size_t n, FILE *f);

/* Did the transfer stop because memory was away?  The memory is home now. */
static bool is_away(unsigned n, FILE *f, const void *p, size_t len, bool write)
{
	if (!ferror_unlocked(f) || errno != EFAULT ||
	    !calls_window(n, p, len, write))
		return false;
	clearerr_unlocked(f);
	return true;
}

/* Counts bytes, so that no byte of an item that was read in part is lost. */
static size_t get_bytes(get_fn *real, void *p, size_t len, FILE *f)
{
	size_t done = 0;

	for (unsigned n = 0; done < len;) {
		size_t got;

		errno = 0;
		got = real((char *)p + done, 1, len - done, f);
		done += got;
		n = got ? 0 : n + 1;
		if (done < len &&
		    !is_away(n, f, (char *)p + done, len - done, true))
			break;
	}
	return done;
}

static size_t put_bytes(put_fn *real, const void *p, size_t len, FILE *f)
{
	size_t done = 0;

	for (unsigned n = 0; done < len;) {
		size_t put;

		errno = 0;
		put = real((const char *)p + done, 1, len - done, f);
		done += put;
		n = put ? 0 : n + 1;
		if (done < len &&
		    !is_away(n, f, (const char *)p + done, len - done, false))
			break;
	}
	return done;
}

/* Could the transfer bypass the stream's buffer? */
static bool may_bypass(size_t size, size_t n, FILE *f, size_t *ret_len)
{
	size_t room;

	if (!size || __builtin_mul_overflow(size, n, ret_len) || !*ret_len)
		return false;
	if (*ret_len >= LARGE)
		return true;
	room = __fbufsize(f);
	return room < BUFFER || *ret_len >= room;
}

/*
 * A transfer that began while no memory was managed has stopped after @done
 * bytes.  Is it over?
 */
static bool is_over(size_t done, size_t len, FILE *f, const void *p, bool write)
{
	return likely(done == len || !calls_on()) ||
	       !is_away(0, f, (const char *)p + done, len - done, write);
}

/* @constant: const, or nothing; @writes: to @p, as get_bytes() does */
#define STREAM(name, constant, rest, writes)                                 \
	FIND(name);                                                          \
	EXPORT size_t name(constant void *p, size_t size, size_t n, FILE *f) \
	{                                                                    \
		size_t len, done = 0;                                        \
                                                                             \
		if (!may_bypass(size, n, f, &len))                           \
			return REAL(name)(p, size, n, f);                    \
		if (!calls_on() || !calls_may_be_away(p, len)) {             \
			done = REAL(name)(p, 1, len, f);                     \
			if (is_over(done, len, f, p, writes))                \
				return done / size;                          \
		}                                                            \
		flockfile(f);                                                \
		done += rest(REAL(name), (constant char *)p + done,          \
			     len - done, f);                                 \
		funlockfile(f);                                              \
		return done / size;                                          \
	}

STREAM(fread, , get_bytes, true)
STREAM(fread_unlocked, , get_bytes, true)
STREAM(fwrite, const, put_bytes, false)
STREAM(fwrite_unlocked, const, put_bytes, false)

#define PUTS(name, by)                                    \
	FIND(name);                                       \
	EXPORT int name(const char *s, FILE *f)           \
	{                                                 \
		size_t len = strlen(s);                   \
                                                          \
		if (likely(len < LARGE && !calls_on()))   \
			return REAL(name)(s, f);          \
		return by(s, 1, len, f) == len ? 1 : EOF; \
	}

PUTS(fputs, fwrite)
PUTS(fputs_unlocked, fwrite_unlocked)

FIND(puts);
EXPORT int puts(const char *s)
{
	int ret;

	if (likely(!calls_on() && strlen(s) < LARGE))
		return REAL(puts)(s);
	flockfile(stdout);
	ret = fputs(s, stdout);
	if (ret != EOF)
		ret = putc_unlocked('\n', stdout) == EOF ? EOF : 1;
	funlockfile(stdout);
	return ret;
}

/*
 * A stream that is flushed may find a buffer of the program away.  So NULL is
 * passed instead, and the stream allocates a buffer of its own size.
 */
static char *fit_for(char *p, size_t len)
{
	return settings.calls && p && calls_may_be_away(p, len) ? NULL : p;
}

FIND(setvbuf);
EXPORT int setvbuf(FILE *f, char *p, int mode, size_t len)
{
	return REAL(setvbuf)(f, fit_for(p, len), mode, len);
}

EXPORT void setbuffer(FILE *f, char *p, size_t len)
{
	setvbuf(f, p, p ? _IOFBF : _IONBF, len);
}

EXPORT void setbuf(FILE *f, char *p)
{
	setvbuf(f, p, p ? _IOFBF : _IONBF, BUFSIZ);
}
