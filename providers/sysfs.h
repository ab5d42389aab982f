/* SPDX-License-Identifier: MIT */
/*
 * sysfs.h - reads small files of the kernel.
 *
 * Without stdio: a provider may be opened on a thread of the library, which
 * uses no memory of the program.
 */
#ifndef UHMM_PROVIDERS_SYSFS_H
#define UHMM_PROVIDERS_SYSFS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* Read up to @len - 1 bytes, and add a NUL.  Return: bytes; 0: no such file. */
static inline size_t sysfs_read(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, buf, len - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/*
 * Parse a decimal number at *@s and move *@s behind it.  False: there is none,
 * or it is too large.
 */
static inline bool sysfs_number(const char **s, uint64_t *ret)
{
	const char *p = *s;

	for (*ret = 0; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, *p - '0', ret))
			return false;
	if (p == *s)
		return false;
	*s = p;
	return true;
}

#endif
