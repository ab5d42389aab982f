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
/* Without end when @timeout_ms < 0.  -EINTR is 0. */
int sys_poll(struct pollfd *fds, unsigned nr, int timeout_ms);
int sys_userfaultfd(int flags);

int sys_mmap(uintptr_t addr, size_t len, int prot, int flags,
	     uintptr_t *ret_addr);
/* Of a file. */
int sys_map_file(uintptr_t addr, size_t len, int prot, int flags, int fd,
		 uint64_t offset, uintptr_t *ret_addr);
int sys_inode(int fd, uint64_t *ret);
/*
 * Bytes of a file that can be mapped; UINT64_MAX for a device, which does not
 * tell.  -EBADF; -EINVAL: it is no file.
 */
int sys_file_size(int fd, uint64_t *ret);
int sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags);
void sys_munmap(uintptr_t addr, size_t len);
/* The same for memory that sys_own_next() is to know: a whole, or its ends. */
int sys_own_map(size_t len, int prot, int flags, uintptr_t *ret_addr);
void sys_own_unmap(uintptr_t addr, size_t len);
/*
 * No memory of our own comes from @node from now on, and what does is moved;
 * or it may again.  As often off as on.  -ENODEV: no other would be left.
 */
int sys_own_avoid(int node, bool on);
/* The same for a part of it that was mapped anew. */
int sys_own_bind(uintptr_t addr, size_t len);
int sys_mprotect(uintptr_t addr, size_t len, int prot);
/* What is there, and what comes: mlock2(2) with MLOCK_ONFAULT. */
int sys_mlock_onfault(uintptr_t addr, size_t len);
int sys_munlock(uintptr_t addr, size_t len);
int sys_madvise(uintptr_t addr, size_t len, int advice);
/* Is a page of a mapping there that is locked?  Nothing is done to it. */
bool sys_is_locked(uintptr_t addr);
int sys_mincore(uintptr_t addr, size_t len, unsigned char *ret_vec);

/* Read our own memory; a page that cannot be read is -EFAULT or short. */
ssize_t sys_vm_read(void *dst, uintptr_t src, size_t len);
/* Asks where a page is: its node, or -errno in *@ret_status. */
int sys_page_node(uintptr_t addr, int *ret_status);

int sys_sigaction(int sig, const struct sigaction *act,
		  struct sigaction *ret_old);
int sys_tgkill(int tid, int sig);
/* What came, once more, to the calling thread. */
int sys_sigsend(int tid, int sig, siginfo_t *info);
/* With si_addr, as if @tid had touched memory that is not there. */
int sys_sigbus(int tid, uintptr_t addr);

#endif
