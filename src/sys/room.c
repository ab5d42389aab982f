/* SPDX-License-Identifier: MIT */
/* room.c - see room.h */
#include "sys/room.h"

#include <sys/mman.h>

#include "sys/cpu.h"
#include "sys/kernel.h"

static uintptr_t first_of(const struct sys_room *r)
{
	return r->va - SYS_PAGE_SIZE;
}

static uintptr_t end_of(const struct sys_room *r)
{
	return r->va + ((r->len + r->align - 1) & ~(r->align - 1)) +
	       SYS_PAGE_SIZE;
}

int sys_room_map(struct sys_room *r, size_t len, size_t align)
{
	size_t all = len + 3 * align;
	uintptr_t at;
	int err = sys_mmap(0, all, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, &at);

	if (err)
		return err;
	*r = (struct sys_room){ (at + align) & ~(align - 1), len, align };
	if (first_of(r) > at)
		sys_munmap(at, first_of(r) - at);
	sys_munmap(end_of(r), at + all - end_of(r));
	sys_munlock(r->va, len);
	err = sys_madvise(r->va, len, MADV_DONTFORK);
	if (err) {
		sys_room_cut(r->va, len);
		sys_room_unmap(r);
	}
	return err;
}

int sys_room_open(const struct sys_room *r, bool write)
{
	return sys_mprotect(r->va, r->len,
			    PROT_READ | (write ? PROT_WRITE : 0));
}

void sys_room_cut(uintptr_t start, size_t len)
{
	sys_munmap(start, len);
}

void sys_room_unmap(const struct sys_room *r)
{
	sys_munmap(first_of(r), SYS_PAGE_SIZE);
	sys_munmap(r->va + r->len, end_of(r) - r->va - r->len);
}

void sys_room_discard(uintptr_t start, size_t len)
{
	sys_madvise(start, len, MADV_DONTNEED);
}
