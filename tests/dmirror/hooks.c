/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - the program's system calls, as far as they concern our files or
 * take memory from under a device.
 *
 * userfaultfd(2) does not tell of mprotect(2), nor of any change of memory
 * that is not private anonymous, so each change is announced by
 * uhmm_notify_begin() and _end().  Calls that uhmm itself makes through libc
 * are left alone.
 *
 * An operation runs with signals blocked, as in the kernel: a handler of the
 * program must not come in between while we hold a lock.
 */
/* Meson asks for 64-bit offsets, which makes open another name of open64. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmirror.h"

#define EXPORT	 __attribute__((visibility("default")))
#define CALLER() __builtin_return_address(0)

/* ---- The caller ------------------------------------------------------- */

/**
 * struct code - the addresses of a library
 */
struct code {
	uintptr_t start, end;
};

static struct code own[2];
static unsigned nr_own;

static int add_code(struct dl_phdr_info *info, size_t size, void *addr)
{
	struct code c = { UINTPTR_MAX, 0 };

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		if (start < c.start)
			c.start = start;
		if (start + ph->p_memsz > c.end)
			c.end = start + ph->p_memsz;
	}
	if ((uintptr_t)addr < c.start || (uintptr_t)addr >= c.end)
		return 0;
	own[nr_own++] = c;
	return 1;
}

__attribute__((constructor)) static void find_own(void)
{
	static const char *const names[] = { "uhmm_open", "urcu_bp_register" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *addr = dlsym(RTLD_DEFAULT, names[i]);

		if (addr)
			dl_iterate_phdr(add_code, addr);
	}
}

static bool is_own(const void *caller)
{
	for (unsigned i = 0; i < nr_own; i++)
		if ((uintptr_t)caller >= own[i].start &&
		    (uintptr_t)caller < own[i].end)
			return true;
	return false;
}

/* ---- Results ---------------------------------------------------------- */

static int result(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

/* Block all signals but those that the program's own mistakes raise. */
static void signals_block(sigset_t *ret_old)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE,
				      SIGILL, SIGTRAP, SIGABRT };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(&set, faults[i]);
	pthread_sigmask(SIG_BLOCK, &set, ret_old);
}

static void signals_restore(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* ---- Files ------------------------------------------------------------ */

static int open_file(int dir, const char *path, int flags, mode_t mode)
{
	sigset_t old;
	int ret;

	signals_block(&old);
	ret = file_open(path, flags);
	signals_restore(&old);
	if (ret != -ENXIO)
		return result(ret);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		return va_arg(args, mode_t);
	return 0;
}

#define OPEN_WITH_MODE(dir)                               \
	do {                                              \
		va_list args;                             \
		mode_t mode;                              \
		va_start(args, flags);                    \
		mode = mode_of(flags, args);              \
		va_end(args);                             \
		return open_file(dir, path, flags, mode); \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	OPEN_WITH_MODE(AT_FDCWD);
}

EXPORT int open64(const char *path, int flags, ...)
{
	OPEN_WITH_MODE(AT_FDCWD);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	OPEN_WITH_MODE(dir);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	OPEN_WITH_MODE(dir);
}

/* A program that was built with _FORTIFY_SOURCE calls these. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

EXPORT int __open_2(const char *path, int flags)
{
	return open_file(AT_FDCWD, path, flags, 0);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return open_file(AT_FDCWD, path, flags, 0);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	return open_file(dir, path, flags, 0);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return open_file(dir, path, flags, 0);
}

EXPORT int close(int fd)
{
	struct file *f = file_find(fd);
	sigset_t old;
	int ret;

	if (!f)
		return (int)syscall(SYS_close, fd);
	signals_block(&old);
	ret = file_close(f);
	signals_restore(&old);
	return ret;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct file *f = file_find(fd);
	sigset_t old;
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!f)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	/* To the kernel a request is 32 bits, and programs pass an int. */
	signals_block(&old);
	ret = file_ioctl(f, (uint32_t)request, arg);
	signals_restore(&old);
	return result(ret);
}

/* Not those of our own, which look at memory under locks. */
static ssize_t read_at(const void *caller, int fd, void *to, size_t len,
		       off64_t at)
{
	ssize_t ret = syscall(SYS_pread64, fd, to, len, at);

	if (ret >= (ssize_t)sizeof(uint64_t) && shim_is_there() &&
	    !is_own(caller) && snapshot_is_pagemap(fd))
		snapshot_mark(to, (size_t)ret / sizeof(uint64_t),
			      (uintptr_t)at / sizeof(uint64_t) * PAGE);
	return ret;
}

EXPORT ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	return read_at(CALLER(), fd, to, len, at);
}

EXPORT ssize_t pread64(int fd, void *to, size_t len, off64_t at)
{
	return read_at(CALLER(), fd, to, len, at);
}

/* ---- Mappings --------------------------------------------------------- */

/**
 * struct change - a change of mappings, announced from begin() to end()
 * @u: NULL when there was nobody to tell
 */
struct change {
	struct uhmm *u;
	void *addr;
	size_t len;
};

static struct change begin(const void *caller, void *addr, size_t len,
			   enum uhmm_notify why)
{
	struct change c = { .addr = addr };

	c.len = (len + PAGE - 1) & ~(PAGE - 1);
	if (shim_is_there() && c.len && !is_own(caller))
		c.u = shim_get()->u;
	if (c.u && uhmm_notify_begin(c.u, c.addr, c.len, why))
		c.u = NULL;
	return c;
}

static void end(const struct change *c)
{
	if (c->u)
		uhmm_notify_end(c->u, c->addr, c->len);
}

/*
 * The driver's own memory: pages of zeroes that are there at once, and that no
 * other mapping shares.
 */
static void *map_device(void *addr, size_t len, int prot, int flags)
{
	int fd = (int)syscall(SYS_memfd_create, "hmm_dmirror", MFD_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd < 0)
		return p;
	if (!ftruncate(fd, (off_t)len))
		p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, 0);
	syscall(SYS_close, fd);
	if (p != MAP_FAILED)
		syscall(SYS_madvise, p, len, MADV_POPULATE_READ);
	return p;
}

static void *map(const void *caller, void *addr, size_t len, int prot,
		 int flags, int fd, off64_t offset)
{
	struct file *f = flags & MAP_ANONYMOUS ? NULL : file_find(fd);
	struct change c = { .u = NULL };
	void *p;

	if (flags & MAP_FIXED)
		c = begin(caller, addr, len, UHMM_NOTIFY_UNMAP);
	if (f && f->kind == FILE_MIRROR)
		p = map_device(addr, len, prot, flags);
	else
		p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd,
				    offset);
	end(&c);
	return p;
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t offset)
{
	return map(CALLER(), addr, len, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd,
		    off64_t offset)
{
	return map(CALLER(), addr, len, prot, flags, fd, offset);
}

EXPORT int munmap(void *addr, size_t len)
{
	struct change c = begin(CALLER(), addr, len, UHMM_NOTIFY_UNMAP);
	int ret = (int)syscall(SYS_munmap, addr, len);

	end(&c);
	return ret;
}

EXPORT int mprotect(void *addr, size_t len, int prot)
{
	struct change c = begin(CALLER(), addr, len, UHMM_NOTIFY_PROTECT);
	int ret = (int)syscall(SYS_mprotect, addr, len, prot);

	end(&c);
	return ret;
}

EXPORT void *mremap(void *addr, size_t old_len, size_t len, int flags, ...)
{
	struct change from = begin(CALLER(), addr, old_len, UHMM_NOTIFY_UNMAP);
	struct change to = { .u = NULL };
	void *want = NULL, *p;
	va_list args;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		want = va_arg(args, void *);
		va_end(args);
		to = begin(CALLER(), want, len, UHMM_NOTIFY_UNMAP);
	}
	p = (void *)syscall(SYS_mremap, addr, old_len, len, flags, want);
	end(&to);
	end(&from);
	return p;
}

static bool discards(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE ||
	       advice == MADV_REMOVE;
}

static int discard(const void *caller, void *addr, size_t len, int advice,
		   struct change *ret_c)
{
	struct change c = begin(caller, addr, len, UHMM_NOTIFY_CLEAR);
	int ret = (int)syscall(SYS_madvise, addr, len, advice);

	*ret_c = c;
	end(&c);
	return ret;
}

/* Memory of a device cannot be freed later, nor move while it is announced. */
EXPORT int madvise(void *addr, size_t len, int advice)
{
	struct change c;
	int ret;

	if (!discards(advice))
		return (int)syscall(SYS_madvise, addr, len, advice);
	ret = discard(CALLER(), addr, len, advice, &c);
	if (ret && errno == EINVAL && advice == MADV_FREE && c.u &&
	    uhmm_migrate(c.u, addr, c.len, NULL) > 0)
		ret = discard(CALLER(), addr, len, advice, &c);
	return ret;
}
