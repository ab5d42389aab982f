/* SPDX-License-Identifier: MIT */
/*
 * memfd.h - memory that has a descriptor, and that several mappings share.  As
 * kernel.h: a result or -errno.
 */
#ifndef UHMM_SYS_MEMFD_H
#define UHMM_SYS_MEMFD_H

#include <stddef.h>
#include <stdint.h>

/* Create a memfd of @len bytes that is one hole. */
int sys_memfd(const char *name, size_t len);
/*
 * The offset of the next data at or after @from, or of the next hole.  A page
 * that is swapped out is data.  -ENXIO: none follow.
 */
int64_t sys_next_data(int fd, uint64_t from);
int64_t sys_next_hole(int fd, uint64_t from);
/* Punch a hole; it appears in all mappings at once. */
int sys_punch(int fd, uint64_t from, size_t len);
/* The device that /proc/PID/maps has for shared memory of the kernel's own. */
int sys_memfd_device(uint64_t *ret);
/*
 * Has this process a descriptor of the memfd @inode?  1, 0 or -errno;
 * -EOPNOTSUPP: it cannot be seen, as /proc is out of reach.
 */
int sys_memfd_is_open(uint64_t inode);

#endif
