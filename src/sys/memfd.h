/* SPDX-License-Identifier: MIT */
/*
 * memfd.h - memory that has a descriptor, and that several mappings share.  As
 * kernel.h: a result or -errno.
 */
#ifndef UHMM_SYS_MEMFD_H
#define UHMM_SYS_MEMFD_H

#include <stddef.h>
#include <stdint.h>

/* Of @len bytes, all of them a hole. */
int sys_memfd(const char *name, size_t len);
/*
 * Where the next data begin, from @from on, or the next hole.  What is swapped
 * out is data.  -ENXIO: there are none.
 */
int64_t sys_next_data(int fd, uint64_t from);
int64_t sys_next_hole(int fd, uint64_t from);
/* Make it a hole, in all mappings at once. */
int sys_punch(int fd, uint64_t from, size_t len);

#endif
