/* SPDX-License-Identifier: MIT */
/*
 * file.h - memory that begins as a file, and goes back to it.  See
 * uhmm_map_file(3).
 *
 * The pages come straight from the file when they are touched, or go straight
 * to a device, and take no second copy in the page cache.  What was written to
 * them goes back by uhmm_file_sync(), from RAM or from the device that they are
 * on.  Between the two this process and the others see their own: that is
 * UHMM_FILE_RELAXED.
 */
#ifndef UHMM_FILE_H
#define UHMM_FILE_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * enum uhmm_file_flags - how a file is mapped
 * @UHMM_FILE_RELAXED: a promise to live with it, and required: what others
 *	write is seen in pages that were not loaded yet, or after
 *	uhmm_file_refresh(); what is written here is seen by others from
 *	uhmm_file_sync() on.  Where others write to a page that is written to
 *	here, the last to write the page back wins
 * @UHMM_FILE_CACHED: read and write through the page cache, and leave the data
 *	there
 */
enum uhmm_file_flags {
	UHMM_FILE_RELAXED = 1u << 0,
	UHMM_FILE_CACHED = 1u << 1,
};

/**
 * uhmm_map_file() - managed memory that begins as a part of a regular file
 * @fd: stays the caller's, and may be closed afterwards
 * @offset: of the first byte in the file, whole pages
 * @len: bytes, whole pages
 * @prot: PROT_READ, or PROT_READ | PROT_WRITE, for which @fd must be open for
 *	both
 * @flags: enum uhmm_file_flags
 * @ret_addr: aligned to 2 MiB; valid until uhmm_unmap_file() or uhmm_close()
 *
 * A page is read from the file when it is touched or migrated.  A page that was
 * not written to is dropped where RAM runs short.  A touch of a page that is
 * not in the file, or cannot be read, is SIGBUS, until uhmm_file_refresh().
 *
 * A child of fork(2) does not have the memory.
 *
 * Return: 0; -EINVAL; -EBADF; -EACCES: @fd does not allow it, or cannot be
 * opened anew and has O_APPEND; -EOPNOTSUPP: no regular file; -ENOSPC: too many
 * devices and files, 255; -EMFILE; -ENFILE; -ENOMEM; -EBUSY: mappings keep
 * changing; -ENODEV; -EDEADLK.
 */
int uhmm_map_file(struct uhmm *u, int fd, uint64_t offset, size_t len, int prot,
		  unsigned flags, void **ret_addr);

/**
 * uhmm_file_sync() - write what is dirty back, wherever it is
 * @addr: whole pages, in one mapping of uhmm_map_file()
 * @len: bytes, whole pages
 * @flags: MS_SYNC or MS_ASYNC of msync(2)
 *
 * Every store before the call is in the file when the call returns 0: with
 * MS_ASYNC for all readers of the file; with MS_SYNC on the disk as well.  Of
 * the stores during the call each page has some.  Nothing is written behind the
 * end of the file.
 *
 * Return: 0; -EINVAL; -EIO, -ENOSPC, -EDQUOT, -EFBIG: the first error; pages
 * that were not written stay dirty where they are, and the next call tries them
 * again; -EFAULT: the program does not let anyone read a page that is to be
 * written; -ENOMEM; -ENODEV; -EDEADLK.
 */
int uhmm_file_sync(struct uhmm *u, void *addr, size_t len, int flags);

/**
 * uhmm_file_refresh() - forget what was only read
 * @addr: whole pages, in one mapping of uhmm_map_file()
 * @len: bytes, whole pages
 *
 * Pages in RAM that were not written to are read again at their next touch, and
 * so are those that could not be read.  Pages that lie behind the end of the
 * file, which was cut, are forgotten even if they are dirty, wherever they are.
 *
 * Return: 0; -EINVAL; -EIO: the size of the file cannot be told; -ENOMEM;
 * -ENODEV; -EDEADLK.
 */
int uhmm_file_refresh(struct uhmm *u, void *addr, size_t len);

/**
 * uhmm_unmap_file() - write all back, and end the mapping
 * @addr: as uhmm_map_file() said
 *
 * No thread may use the memory meanwhile.  munmap(2) loses what is dirty, and
 * uhmm_close() ends mappings even if their data cannot be written back.
 *
 * Return: 0; -EINVAL; -EBUSY while pages are pinned, or what uhmm_file_sync()
 * says, and all is mapped still; -ENODEV; -EDEADLK.
 */
int uhmm_unmap_file(struct uhmm *u, void *addr);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
