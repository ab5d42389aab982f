/* SPDX-License-Identifier: MIT */
/* text.h - the small files of /proc */
#ifndef UHMM_SYS_TEXT_H
#define UHMM_SYS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Read the file at @path up to @room - 1 bytes, and end them with a NUL.  The
 * holder may call it, see sys_fds_apart().  Return: bytes, -errno.
 */
ssize_t sys_text_read(const char *path, char *buf, size_t room);
/* The rest of the line that begins with @name, without blanks; or "". */
const char *sys_text_line(const char *text, const char *name);
/* The number that @s begins with; 0: none.  @base: 10 or 16. */
uint64_t sys_text_number(const char *s, unsigned base);

#endif
