/* SPDX-License-Identifier: MIT */
/* io.c - the ioctls of userfaultfd, one function each */
#include <errno.h>

#include "mm/uffd/uffd.h"

_Thread_local bool uffd_saw_again;

/* The bytes that the kernel says are done, or else the error. */
static ssize_t done(int ret, int64_t bytes)
{
	if (bytes > 0)
		return (ssize_t)bytes;
	if (ret == -EAGAIN)
		uffd_saw_again = true;
	return ret;
}

int uffd_register(int fd, uintptr_t start, size_t len, uint64_t mode)
{
	struct uffdio_register arg = {
		.range = { start, len },
		.mode = mode,
	};

	return sys_ioctl("UFFDIO_REGISTER", fd, UFFDIO_REGISTER, &arg);
}

int uffd_unregister(int fd, uintptr_t start, size_t len)
{
	struct uffdio_range arg = { start, len };

	return sys_ioctl("UFFDIO_UNREGISTER", fd, UFFDIO_UNREGISTER, &arg);
}

int uffd_protect(const struct uffd *b, uintptr_t va, size_t len, bool on)
{
	struct uffdio_writeprotect arg = {
		.range = { va, len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	int ret = sys_ioctl("UFFDIO_WRITEPROTECT", b->u, UFFDIO_WRITEPROTECT,
			    &arg);

	if (ret == -EAGAIN)
		uffd_saw_again = true;
	return ret;
}

bool uffd_is_changing(const struct uffd *b)
{
	struct uffdio_writeprotect nothing = { .mode = 0 };

	/* The kernel looks for events first; no range at all is -EINVAL. */
	return sys_ioctl("UFFDIO_WRITEPROTECT", b->u, UFFDIO_WRITEPROTECT,
			 &nothing) == -EAGAIN;
}

void uffd_wake_range(const struct uffd *b, uintptr_t va, size_t len)
{
	struct uffdio_range arg = { va, len };

	/* Fails only when told to, and a lost wake-up would hang a thread. */
	for (int i = 0; i < 2; i++)
		if (!sys_ioctl("UFFDIO_WAKE", b->u, UFFDIO_WAKE, &arg))
			break;
}

ssize_t uffd_move(int fd, uintptr_t dst, uintptr_t src, size_t len,
		  uint64_t mode)
{
	struct uapi_move arg = {
		.dst = dst,
		.src = src,
		.len = len,
		.mode = mode,
	};
	int ret = sys_ioctl("UFFDIO_MOVE", fd, UAPI_UFFDIO_MOVE, &arg);

	return done(ret, arg.move);
}

ssize_t uffd_copy(const struct uffd *b, uintptr_t va, const void *src,
		  size_t len, uint64_t mode)
{
	struct uffdio_copy arg = {
		.dst = va,
		.src = (uintptr_t)src,
		.len = len,
		.mode = mode,
	};
	int ret = sys_ioctl("UFFDIO_COPY", b->u, UFFDIO_COPY, &arg);

	return done(ret, arg.copy);
}

int uffd_ask_registered(const struct uffd *b, uintptr_t va)
{
	ssize_t ret = uffd_copy(b, va & ~(MM_PAGE_SIZE - 1), b->nowhere,
				MM_PAGE_SIZE, 0);

	if (ret == -EAGAIN)
		return -EAGAIN;
	return ret == -EFAULT || ret == -EEXIST;
}

bool uffd_is_registered(const struct uffd *b, uintptr_t va)
{
	return uffd_ask_registered(b, va) != 0;
}

ssize_t uffd_zeropage(const struct uffd *b, uintptr_t va, size_t len)
{
	struct uffdio_zeropage arg = { .range = { va, len } };
	int ret = sys_ioctl("UFFDIO_ZEROPAGE", b->u, UFFDIO_ZEROPAGE, &arg);

	return done(ret, arg.zeropage);
}

ssize_t uffd_poison_range(const struct uffd *b, uintptr_t va, size_t len)
{
	struct uapi_poison arg = { .start = va, .len = len };
	int ret = sys_ioctl("UFFDIO_POISON", b->u, UAPI_UFFDIO_POISON, &arg);

	return done(ret, arg.updated);
}
