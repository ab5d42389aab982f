/* SPDX-License-Identifier: MIT */
/*
 * error.c - errors in words.  strerror(3) asks the locale for a translation,
 * which may be in memory that is away.
 */
#include <errno.h>

#include "sys/sys.h"

static const struct {
	int err;
	const char *words;
} errors[] = {
	{ EPERM, "not permitted" },
	{ ENOENT, "no such file or folder" },
	{ EIO, "input/output error" },
	{ ENXIO, "no such device or address" },
	{ EBADF, "bad file descriptor" },
	{ EAGAIN, "try again" },
	{ ENOMEM, "out of memory" },
	{ EACCES, "permission denied" },
	{ EFAULT, "bad address" },
	{ EBUSY, "busy" },
	{ EEXIST, "exists already" },
	{ ENODEV, "no such device" },
	{ ENOTDIR, "not a folder" },
	{ EISDIR, "is a folder" },
	{ EINVAL, "invalid argument" },
	{ ENFILE, "too many open files in the system" },
	{ EMFILE, "too many open files" },
	{ EFBIG, "file too large" },
	{ ENOSPC, "no room left" },
	{ EROFS, "read-only file system" },
	{ ERANGE, "out of range" },
	{ EDEADLK, "would wait for itself" },
	{ ENAMETOOLONG, "name too long" },
	{ ENOSYS, "not supported by the kernel" },
	{ ELOOP, "too many symbolic links" },
	{ EPROTO, "protocol error" },
	{ EOVERFLOW, "value too large" },
	{ EOPNOTSUPP, "not supported" },
	{ EADDRINUSE, "address in use" },
	{ ETIMEDOUT, "timed out" },
	{ ECANCELED, "cancelled" },
	{ EHWPOISON, "memory has a hardware error" },
	{ EOWNERDEAD, "its owner died" },
};

const char *sys_error(int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].err == (err < 0 ? -err : err))
			return errors[i].words;
	return "unknown error";
}
