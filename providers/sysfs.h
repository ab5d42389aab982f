/* SPDX-License-Identifier: MIT */
/*
 * sysfs.h - small files of the kernel.  Not by stdio: a provider may be opened
 * on a thread of the library's, which uses no memory of the program.
 */
#ifndef UHMM_PROVIDERS_SYSFS_H
#define UHMM_PROVIDERS_SYSFS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* What fits, and a NUL.  Return: bytes read, 0 where there is no such file. */
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

/* A decimal number at *@s, which moves behind it.  False: none that fits. */
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
