/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - system calls as the backends need them: a result or -errno, errno
 * left alone, usable in signal handlers.  Each can be told to fail (fail.h),
 * but for those that undo something.
 */
#ifndef UHMM_KERNEL_H
#define UHMM_KERNEL_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* @name is what a failure is reported as. */
int sys_ioctl(const char *name, int fd, unsigned long request, void *arg);

int sys_open(const char *path, int flags);
ssize_t sys_read(int fd, void *buf, size_t len);
ssize_t sys_pread(int fd, void *buf, size_t len, uint64_t offset);
/* @timeout_ms < 0: no timeout.  An interrupted call returns 0. */
int sys_poll(struct pollfd *fds, unsigned nr, int timeout_ms);
int sys_userfaultfd(int flags);

int sys_mmap(uintptr_t addr, size_t len, int prot, int flags,
	     uintptr_t *ret_addr);
/* mmap(2) of a file. */
int sys_map_file(uintptr_t addr, size_t len, int prot, int flags, int fd,
		 uint64_t offset, uintptr_t *ret_addr);
int sys_inode(int fd, uint64_t *ret);
/*
 * The size of a file that can be mapped; UINT64_MAX for a device, which has no
 * known size.  -EBADF; -EINVAL: @fd is neither.
 */
int sys_file_size(int fd, uint64_t *ret);
int sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
/* Map the shared memory at @from once more, at @to, where it replaces all. */
int sys_map_again(uintptr_t from, uintptr_t to, size_t len);
void sys_munmap(uintptr_t addr, size_t len);
/*
 * sys_mmap() and sys_munmap() of memory of our own, which sys_own_next() lists.
 * A part to unmap lies at an end of the mapping or is all of it.
 */
int sys_own_map(size_t len, int prot, int flags, uintptr_t *ret_addr);
void sys_own_unmap(uintptr_t addr, size_t len);
/*
 * @on: take no memory of our own from @node, and move what is there already.
 * Not @on: @node may be used again.  Calls are counted for each node.  -ENODEV:
 * no other node would be left.
 */
int sys_own_avoid(int node, bool on);
/* Apply sys_own_avoid() to a part of our own memory that was mapped anew. */
int sys_own_bind(uintptr_t addr, size_t len);
int sys_mprotect(uintptr_t addr, size_t len, int prot);
/* By the key that all threads may use: see pkeys(7). */
int sys_mprotect_unkeyed(uintptr_t addr, size_t len, int prot);
/* Lock pages, present and future: mlock2(2) with MLOCK_ONFAULT. */
int sys_mlock_onfault(uintptr_t addr, size_t len);
int sys_munlock(uintptr_t addr, size_t len);
int sys_madvise(uintptr_t addr, size_t len, int advice);
/* Does @addr lie in a locked mapping?  The mapping is not changed. */
bool sys_is_locked(uintptr_t addr);
int sys_mincore(uintptr_t addr, size_t len, unsigned char *ret_vec);

/* Read our own memory; a page that cannot be read is -EFAULT or short. */
ssize_t sys_vm_read(void *dst, uintptr_t src, size_t len);
/* Write to memory of the program's, likewise; it may fault, and wait. */
ssize_t sys_vm_write(uintptr_t dst, const void *src, size_t len);
/* *@ret_status: the node of the page at @addr, or -errno. */
int sys_page_node(uintptr_t addr, int *ret_status);

int sys_sigaction(int sig, const struct sigaction *act,
		  struct sigaction *ret_old);
int sys_tgkill(int tid, int sig);
/* Send @info, which a handler was given, to the calling thread again. */
int sys_sigsend(int tid, int sig, siginfo_t *info);
/* SIGBUS with si_addr @addr, as if thread @tid had touched a lost page. */
int sys_sigbus(int tid, uintptr_t addr);

#endif
