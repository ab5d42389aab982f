/* SPDX-License-Identifier: MIT */
/*
 * arena.c - memory of our own, and copies from and to the program.
 *
 * One mapping, made when the library is loaded, holds all that there is: the
 * program must not see its address space change under an ioctl.  In the child
 * of a fork it reads as zeroes, which is the state before anything was opened.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dmirror.h"

#define SHIM_SIZE   ((size_t)1 << 20)
#define DEVICE_SIZE ((size_t)DEVICE_PAGES * PAGE)
#define FILE_SIZE   (BOUNCE_SIZE + NODES_SIZE)
#define DEVICES_END (SHIM_SIZE + NR_DEVICES * DEVICE_SIZE)
#define ARENA_SIZE  (DEVICES_END + NR_FILES * FILE_SIZE)

static unsigned char *arena;

__attribute__((constructor)) static void reserve(void)
{
	long p = syscall(SYS_mmap, NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	_Static_assert(sizeof(struct shim) <= SHIM_SIZE, "the shim fits");
	if (p == -1)
		return;
	if (!syscall(SYS_madvise, p, ARENA_SIZE, MADV_WIPEONFORK))
		arena = (unsigned char *)p;
}

bool shim_is_there(void)
{
	return arena;
}

struct shim *shim_get(void)
{
	return (struct shim *)arena;
}

unsigned char *arena_device(unsigned nr)
{
	return arena + SHIM_SIZE + nr * DEVICE_SIZE;
}

unsigned char *arena_bounce(unsigned nr)
{
	return arena + DEVICES_END + nr * FILE_SIZE;
}

unsigned char *arena_nodes(unsigned nr)
{
	return arena_bounce(nr) + BOUNCE_SIZE;
}

void arena_drop(void *p, size_t len)
{
	if (len)
		syscall(SYS_madvise, p, len, MADV_DONTNEED);
}

/* ---- The program's memory --------------------------------------------- */

/* Never by a plain access: it may be gone, and we must not die of it. */
static size_t transfer(long nr, void *ours, uintptr_t theirs, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct iovec local = { (char *)ours + done, len - done };
		struct iovec remote = { (char *)theirs + done, len - done };
		long n = syscall(nr, getpid(), &local, 1, &remote, 1, 0);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

size_t vm_read(void *to, uintptr_t from, size_t len)
{
	return transfer(SYS_process_vm_readv, to, from, len);
}

size_t vm_write(uintptr_t to, const void *from, size_t len)
{
	return transfer(SYS_process_vm_writev, (void *)(uintptr_t)from, to,
			len);
}

static int touch_part(void *arg, const struct vma *v, uintptr_t start,
		      uintptr_t end)
{
	const bool *write = arg;

	if (*write && !(v->prot & PROT_WRITE))
		return -EFAULT;
	for (uintptr_t p = start; p < end; p += PAGE)
		if (*write)
			__atomic_fetch_or((char *)p, 0, __ATOMIC_RELAXED);
		else
			__atomic_load_n((char *)p, __ATOMIC_RELAXED);
	return 0;
}

int program_touch(uintptr_t addr, size_t len, bool write)
{
	uintptr_t start = addr & ~(PAGE - 1);
	uintptr_t end = (addr + len + PAGE - 1) & ~(PAGE - 1);

	return vma_walk(start, end, touch_part, &write) ? -EFAULT : 0;
}

static int transfer_all(long nr, void *ours, uintptr_t theirs, size_t len)
{
	size_t done = transfer(nr, ours, theirs, len);

	if (done < len && !program_touch(theirs + done, len - done,
					 nr == SYS_process_vm_writev))
		done += transfer(nr, (char *)ours + done, theirs + done,
				 len - done);
	return done == len ? 0 : -EFAULT;
}

int copy_from_program(void *to, uint64_t from, size_t len)
{
	return transfer_all(SYS_process_vm_readv, to, from, len);
}

int copy_to_program(uint64_t to, const void *from, size_t len)
{
	return transfer_all(SYS_process_vm_writev, (void *)(uintptr_t)from, to,
			    len);
}
