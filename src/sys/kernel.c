/* SPDX-License-Identifier: MIT */
/* kernel.c - see kernel.h */
#include "sys/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fail.h"
#include "sys/fds.h"
#include "sys/fds_int.h"
#include "sys/nodes.h"
#include "sys/sys.h"

int sys_ioctl(const char *name, int fd, unsigned long request, void *arg)
{
	if (sys_should_fail(name))
		return -ENOMEM;
	for (;;) {
		int ret = (int)call(SYS_ioctl, fd, (long)request, (long)arg, 0,
				    0, 0);

		if ((ret != -EBADF && ret != -ENOTTY) || !sys_fd_mend(fd, ret))
			return ret;
	}
}

int sys_open(const char *path, int flags)
{
	if (sys_should_fail("open"))
		return -EMFILE;
	return (int)sys_opened(SYS_openat, AT_FDCWD, (long)path,
			       flags | O_CLOEXEC, 0);
}

/* A read can need a free descriptor: the message of a fork brings one. */
ssize_t sys_read(int fd, void *buf, size_t len)
{
	ssize_t ret;

	if (sys_should_fail("read"))
		return -EAGAIN;
	sys_fd_look_first(fd);
	do {
		ret = sys_opened(SYS_read, fd, (long)buf, (long)len, 0);
	} while (ret == -EINTR || (ret == -EBADF && sys_fd_mend(fd, -EBADF)));
	return ret;
}

ssize_t sys_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t ret;

	if (sys_should_fail("pread"))
		return -EIO;
	sys_fd_look_first(fd);
	do {
		ret = call(SYS_pread64, fd, (long)buf, (long)len, (long)offset,
			   0, 0);
	} while (ret == -EINTR || (ret == -EBADF && sys_fd_mend(fd, -EBADF)));
	return ret;
}

/*
 * Put back descriptors that were closed.  Return: whether there was one; the
 * other results of poll(2) are void then.
 */
static bool mend_polled(struct pollfd *fds, unsigned nr)
{
	bool any = false;

	for (unsigned i = 0; i < nr; i++)
		if (fds[i].revents & POLLNVAL && sys_fd_mend(fds[i].fd, -EBADF))
			any = true;
	for (unsigned i = 0; any && i < nr; i++)
		fds[i].revents = 0;
	return any;
}

int sys_poll(struct pollfd *fds, unsigned nr, int timeout_ms)
{
	struct timespec ts = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000l,
	};
	long ret;

	if (sys_should_fail("poll"))
		return 0;
	for (unsigned i = 0; i < nr; i++)
		sys_fd_look_first(fds[i].fd);
	ret = call(SYS_ppoll, (long)fds, nr,
		   (long)(timeout_ms < 0 ? NULL : &ts), 0, 0, 0);
	if (ret > 0 && mend_polled(fds, nr))
		ret = 0;
	return ret == -EINTR ? 0 : (int)ret;
}

int sys_userfaultfd(int flags)
{
	if (sys_should_fail("userfaultfd"))
		return -ENOMEM;
	return (int)sys_opened(SYS_userfaultfd, flags, 0, 0, 0);
}

int sys_mmap(uintptr_t addr, size_t len, int prot, int flags,
	     uintptr_t *ret_addr)
{
	long ret;

	if (sys_should_fail("mmap"))
		return -ENOMEM;
	ret = call(SYS_mmap, (long)addr, (long)len, prot, flags, -1, 0);
	if (ret < 0 && ret > -4096)
		return (int)ret;
	*ret_addr = (uintptr_t)ret;
	return 0;
}

int sys_map_file(uintptr_t addr, size_t len, int prot, int flags, int fd,
		 uint64_t offset, uintptr_t *ret_addr)
{
	long ret;

	if (sys_should_fail("mmap"))
		return -ENOMEM;
	sys_fd_mend(fd, 0);
	ret = call(SYS_mmap, (long)addr, (long)len, prot, flags, fd,
		   (long)offset);
	if (ret < 0 && ret > -4096)
		return (int)ret;
	*ret_addr = (uintptr_t)ret;
	return 0;
}

int sys_inode(int fd, uint64_t *ret)
{
	int saved = errno, err = 0;
	struct stat st;

	if (sys_should_fail("fstat"))
		return -ENOMEM;
	sys_fd_mend(fd, 0);
	if (fstat(fd, &st))
		err = -errno;
	else
		*ret = st.st_ino;
	errno = saved;
	return err;
}

int sys_file_size(int fd, uint64_t *ret)
{
	int saved = errno, err = 0;
	struct stat st;

	if (fstat(fd, &st))
		err = -errno;
	else if (S_ISCHR(st.st_mode))
		*ret = UINT64_MAX;
	else if (S_ISREG(st.st_mode))
		*ret = (uint64_t)st.st_size;
	else
		err = -EINVAL;
	errno = saved;
	return err;
}

int sys_mremap(uintptr_t from, uintptr_t to, size_t len, int flags)
{
	long ret;

	if (sys_should_fail("mremap"))
		return -ENOMEM;
	ret = call(SYS_mremap, (long)from, (long)len, (long)len, flags,
		   (long)to, 0);
	return ret < 0 && ret > -4096 ? (int)ret : 0;
}

int sys_map_again(uintptr_t from, uintptr_t to, size_t len)
{
	long ret;

	if (sys_should_fail("mremap"))
		return -ENOMEM;
	ret = call(SYS_mremap, (long)from, 0, (long)len,
		   MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0);
	return ret < 0 && ret > -4096 ? (int)ret : 0;
}

void sys_munmap(uintptr_t addr, size_t len)
{
	call(SYS_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

int sys_mprotect(uintptr_t addr, size_t len, int prot)
{
	if (sys_should_fail("mprotect"))
		return -ENOMEM;
	return (int)call(SYS_mprotect, (long)addr, (long)len, prot, 0, 0, 0);
}

/* Where there are no keys, or no more than this one, the first call fails. */
int sys_mprotect_unkeyed(uintptr_t addr, size_t len, int prot)
{
	if (sys_should_fail("mprotect"))
		return -ENOMEM;
	if (!call(SYS_pkey_mprotect, (long)addr, (long)len, prot, 0, 0, 0))
		return 0;
	return (int)call(SYS_mprotect, (long)addr, (long)len, prot, 0, 0, 0);
}

int sys_mlock_onfault(uintptr_t addr, size_t len)
{
	if (sys_should_fail("mlock2"))
		return -ENOMEM;
	return (int)call(SYS_mlock2, (long)addr, (long)len, MLOCK_ONFAULT, 0, 0,
			 0);
}

int sys_munlock(uintptr_t addr, size_t len)
{
	if (sys_should_fail("munlock"))
		return -ENOMEM;
	return (int)call(SYS_munlock, (long)addr, (long)len, 0, 0, 0, 0);
}

int sys_madvise(uintptr_t addr, size_t len, int advice)
{
	if (sys_should_fail("madvise"))
		return -ENOMEM;
	return (int)call(SYS_madvise, (long)addr, (long)len, advice, 0, 0, 0);
}

/* MS_INVALIDATE means nothing to Linux, but is refused for locked mappings. */
bool sys_is_locked(uintptr_t addr)
{
	if (sys_should_fail("msync"))
		return false;
	return call(SYS_msync, (long)addr, 1, MS_INVALIDATE, 0, 0, 0) == -EBUSY;
}

int sys_mincore(uintptr_t addr, size_t len, unsigned char *ret_vec)
{
	if (sys_should_fail("mincore"))
		return -EAGAIN;
	return (int)call(SYS_mincore, (long)addr, (long)len, (long)ret_vec, 0,
			 0, 0);
}

ssize_t sys_vm_read(void *dst, uintptr_t src, size_t len)
{
	struct iovec to = { dst, len };
	struct iovec from = { (void *)src, len };

	if (sys_should_fail("process_vm_readv"))
		return -EFAULT;
	return call(SYS_process_vm_readv, getpid(), (long)&to, 1, (long)&from,
		    1, 0);
}

ssize_t sys_vm_write(uintptr_t dst, const void *src, size_t len)
{
	struct iovec from = { (void *)src, len };
	struct iovec to = { (void *)dst, len };

	if (sys_should_fail("process_vm_writev"))
		return -EFAULT;
	return call(SYS_process_vm_writev, getpid(), (long)&from, 1, (long)&to,
		    1, 0);
}

int sys_page_node(uintptr_t addr, int *ret_status)
{
	void *page = (void *)addr;

	return (int)sys_move_pages(1, &page, NULL, ret_status);
}

int sys_sigaction(int sig, const struct sigaction *act,
		  struct sigaction *ret_old)
{
	int saved = errno;
	int ret = 0;

	if (act && sys_should_fail("sigaction"))
		return -EINVAL;
	if (sigaction(sig, act, ret_old)) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

/* The kernel keeps its own codes, those above 0, to itself. */
int sys_sigbus(int tid, uintptr_t addr)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = SI_QUEUE;
	info.si_addr = (void *)addr;
	return sys_sigsend(tid, SIGBUS, &info);
}

int sys_sigsend(int tid, int sig, siginfo_t *info)
{
	return (int)call(SYS_rt_tgsigqueueinfo, getpid(), tid, sig, (long)info,
			 0, 0);
}

int sys_tgkill(int tid, int sig)
{
	return (int)call(SYS_tgkill, getpid(), tid, sig, 0, 0, 0);
}
