/* SPDX-License-Identifier: MIT */
/* memfd.c - see memfd.h */
#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/fds_int.h"
#include "sys/sys.h"

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

int sys_memfd(const char *name, size_t len)
{
	int fd, ret;

	if (sys_should_fail("memfd_create"))
		return -EMFILE;
	fd = (int)sys_opened(SYS_memfd_create, (long)name, MFD_CLOEXEC, 0, 0);
	if (fd < 0)
		return fd;
	ret = (int)call(SYS_ftruncate, fd, (long)len, 0, 0, 0, 0);
	if (ret) {
		sys_close(fd);
		return ret;
	}
	return fd;
}

static int64_t seek(int fd, uint64_t from, int whence)
{
	int64_t ret;

	if (sys_should_fail("lseek"))
		return -ENOMEM;
	sys_fd_look_first(fd);
	do {
		ret = call(SYS_lseek, fd, (long)from, whence, 0, 0, 0);
	} while (ret == -EBADF && sys_fd_mend(fd, -EBADF));
	return ret;
}

int64_t sys_next_data(int fd, uint64_t from)
{
	return seek(fd, from, SEEK_DATA);
}

int64_t sys_next_hole(int fd, uint64_t from)
{
	return seek(fd, from, SEEK_HOLE);
}

int sys_punch(int fd, uint64_t from, size_t len)
{
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int ret;

	if (sys_should_fail("fallocate"))
		return -ENOMEM;
	sys_fd_look_first(fd);
	do {
		ret = (int)call(SYS_fallocate, fd, how, (long)from, (long)len,
				0, 0);
	} while (ret == -EINTR || (ret == -EBADF && sys_fd_mend(fd, -EBADF)));
	return ret;
}
