/* SPDX-License-Identifier: MIT */
/* memory.h - what the kernel counts as memory of this process: memory.c */
#ifndef UHMM_SYS_MEMORY_H
#define UHMM_SYS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Bytes in RAM.
 * @anon: private memory, and private copies of file pages
 * @shmem: shared memory that is no file's on a disk
 * @huge: huge pages of hugetlbfs
 */
struct sys_memory {
	uint64_t anon, shmem, huge;
};

/*
 * @shares: count of shared memory what is left when each page is divided among
 * those that have it mapped.  That walks all page tables, and takes long.
 * Return: 0, -errno; -ENOENT: the kernel does not say.
 */
int sys_memory_read(bool shares, struct sys_memory *ret);
/* For tests.  Bytes in the line of @text that begins with @name; 0: none. */
uint64_t sys_memory_field(const char *text, const char *name);

#endif
