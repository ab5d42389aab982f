/* SPDX-License-Identifier: MIT */
/*
 * file.h - a regular file of the program's, read past the page cache where the
 * kernel can do that, and written through it: file.c
 */
#ifndef UHMM_SYS_FILE_H
#define UHMM_SYS_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * @fd: kept; reads and writes through the page cache
 * @direct: kept; reads past the page cache; -1: there is none
 * @read_flags, @write_flags: of preadv2(2) and pwritev2(2), until the kernel
 *	refuses them
 */
struct sys_file {
	int fd, direct;
	_Atomic int read_flags, write_flags;
};

/*
 * Open the file of @fd anew, or have a copy of @fd where it cannot be opened.
 * @write: for writing, too; @cached: leave the page cache its data.
 * -EOPNOTSUPP: no regular file; -EACCES: @fd does not allow what is asked for,
 * or it only appends.
 */
int sys_file_open(struct sys_file *f, int fd, bool write, bool cached);
void sys_file_close(struct sys_file *f);
/* Bytes, or -errno. */
int64_t sys_file_bytes(const struct sys_file *f);
/*
 * As preadv(2) and pwritev(2), of memory that is whole pages, at an @offset of
 * whole pages.  A short count is the end of the file, or an error that the next
 * call tells.
 */
ssize_t sys_file_read(struct sys_file *f, const struct iovec *iov, int nr,
		      size_t len, uint64_t offset);
ssize_t sys_file_write(struct sys_file *f, const struct iovec *iov, int nr,
		       uint64_t offset);
/* All that was written is on the disk. */
int sys_file_sync(const struct sys_file *f);

#endif
