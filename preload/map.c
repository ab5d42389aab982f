// SPDX-License-Identifier: MIT
/*
 * Anonymous private mappings of the program are managed, but for small ones.
 * All others go straight to the kernel.
 *
 * The list of mappings is for counting before the context is open, and for
 * mremap(2).  Once the context is open the kernel tells libuhmm of unmapped
 * memory.
 */
/* Meson asks for 64-bit offsets, which would make mmap a name of mmap64. */
#undef _FILE_OFFSET_BITS
#include <link.h>
#include <stdarg.h>
#include <string.h>

#include "hints.h"
#include "preload.h"

#define MAX_OWN 4

/* Our library, jemalloc and libuhmm: mappings of their code are not managed. */
static struct range own[MAX_OWN];
static size_t nr_own;
static struct range library;
struct range map_libc[2];

static int add_library(struct dl_phdr_info *info, size_t size, void *addr)
{
	struct range span = { UINTPTR_MAX, 0 };

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		if (start < span.start)
			span.start = start;
		if (start + ph->p_memsz > span.end)
			span.end = start + ph->p_memsz;
	}
	if ((uintptr_t)addr < span.start || (uintptr_t)addr >= span.end)
		return 0;
	if (nr_own < MAX_OWN)
		own[nr_own++] = span;
	return 1;
}

static struct range span_of(const char *function)
{
	void *addr = dlsym(RTLD_NEXT, function);
	struct range span = { 0, 0 };

	if (addr && dl_iterate_phdr(add_library, addr))
		span = own[--nr_own];
	return span;
}

/* dlsym() here may find a stub of ours, so ask where the symbol leads. */
static void add_own(const char *function)
{
	void *addr = dlsym(RTLD_DEFAULT, function);

	if (addr)
		dl_iterate_phdr(add_library, addr);
}

void map_init(void)
{
	map_libc[0] = span_of("gnu_get_libc_version");
	map_libc[1] = span_of("__tls_get_addr");
	dl_iterate_phdr(add_library, (void *)(uintptr_t)map_init);
	add_own("mallocx");
	add_own("uhmm_version");
	if (nr_own)
		library = own[nr_own - 1];
}

bool map_is_own(const void *caller)
{
	for (size_t i = 0; i < nr_own; i++)
		if ((uintptr_t)caller >= own[i].start &&
		    (uintptr_t)caller < own[i].end)
			return true;
	return false;
}

bool map_is_library(const void *caller)
{
	return (uintptr_t)caller >= library.start &&
	       (uintptr_t)caller < library.end;
}

bool map_is_watched(const void *caller)
{
	return manage_is_on() && !thread.inside && !map_is_own(caller);
}

/* Stacks that grow, huge pages and locked mappings cannot be managed. */
static bool can_be_managed(int flags)
{
	const int wanted = MAP_PRIVATE | MAP_ANONYMOUS;
	const int unwanted = MAP_GROWSDOWN | MAP_STACK | MAP_HUGETLB |
			     MAP_LOCKED;

	return (flags & (MAP_TYPE | MAP_ANONYMOUS)) == wanted &&
	       !(flags & unwanted);
}

static bool is_candidate(size_t len, int flags)
{
	return len >= settings.min_size && !(flags & MAP_FIXED) &&
	       can_be_managed(flags);
}

/*
 * Addresses without access are not memory yet.  Garbage collectors reserve
 * their heap so and open it piece by piece.
 */
static bool is_opening(int prot)
{
	return prot & (PROT_READ | PROT_WRITE) && !(prot & PROT_EXEC);
}

/* A MAP_FIXED mapping may have replaced managed memory. */
static void replaced(uintptr_t start, uintptr_t end, int prot, int flags)
{
	if (!can_be_managed(flags)) {
		manage_unmapping(start, end);
		return;
	}
	manage_closed(start, end);
	if (is_opening(prot))
		manage_opened(start, end);
}

static void *map_managed(void *addr, size_t len, int prot, int flags, int fd,
			 off_t offset)
{
	void *p;

	len = page_up(len);
	if ((flags & MAP_POPULATE) && !manage_may_populate(len))
		flags &= ~MAP_POPULATE;
	p = sys_mmap(addr, len, prot, flags, fd, offset);
	if (p != MAP_FAILED) {
		int err = errno;

		nofork_forget((uintptr_t)p, (uintptr_t)p + len);
		manage_mapped((uintptr_t)p, (uintptr_t)p + len);
		errno = err;
	}
	return p;
}

/* A mapping that is populated at once would not ask for room. */
static void *map_shared(void *addr, size_t len, int prot, int flags, int fd,
			off_t offset)
{
	void *p;

	if (settings.shared)
		flags &= ~MAP_POPULATE;
	p = sys_mmap(addr, len, prot, flags, fd, offset);
	if (p != MAP_FAILED) {
		int err = errno;

		len = page_up(len);
		nofork_forget((uintptr_t)p, (uintptr_t)p + len);
		shared_mapped((uintptr_t)p, (uintptr_t)p + len);
		errno = err;
	}
	return p;
}

/* Something else is mapped there now, or nothing. */
static void shared_gone(uintptr_t start, uintptr_t end)
{
	int err = errno;

	shared_replaced(start, end);
	errno = err;
}

static void *map_watched(void *addr, size_t len, int prot, int flags, int fd,
			 off_t offset)
{
	uintptr_t end;
	void *p;

	if (prot != PROT_NONE && is_candidate(len, flags))
		return map_managed(addr, len, prot, flags, fd, offset);
	if (!(flags & MAP_FIXED) && shared_is_candidate(len, flags))
		return map_shared(addr, len, prot, flags, fd, offset);
	/* Before the call, as another thread may fork during it. */
	if (flags & MAP_FIXED)
		nofork_forget((uintptr_t)addr, (uintptr_t)addr + page_up(len));
	p = sys_mmap(addr, len, prot, flags, fd, offset);
	end = (uintptr_t)p + page_up(len);
	if (p == MAP_FAILED)
		return p;
	nofork_forget((uintptr_t)p, end);
	if (flags & MAP_FIXED)
		shared_gone((uintptr_t)p, end);
	if (flags & MAP_FIXED)
		replaced((uintptr_t)p, end, prot, flags);
	else if (is_candidate(len, flags))
		manage_reserved((uintptr_t)p, end);
	return p;
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t offset)
{
	if (!map_is_watched(__builtin_return_address(0)))
		return sys_mmap(addr, len, prot, flags, fd, offset);
	return map_watched(addr, len, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd,
		    off_t offset) __attribute__((alias("mmap")));

static int unmap_watched(void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;
	struct shared_parts views;
	int ret, err;

	/*
	 * Before the call: afterwards another thread may get the addresses.
	 * Arguments that the kernel refuses change nothing.
	 */
	if (start % PAGE || !len || len > SIZE_MAX - PAGE - start)
		return sys_munmap(addr, len);
	manage_unmapping(start, start + page_up(len));
	nofork_forget(start, start + page_up(len));
	shared_unmapping(start, start + page_up(len), &views);
	ret = sys_munmap(addr, len);
	err = errno;
	shared_unmapped(&views, !ret);
	errno = err;
	return ret;
}

EXPORT int munmap(void *addr, size_t len)
{
	if (!map_is_watched(__builtin_return_address(0)))
		return sys_munmap(addr, len);
	return unmap_watched(addr, len);
}

static void *remap_managed(void *old, size_t old_len, size_t len, int flags,
			   void *target)
{
	uintptr_t start = (uintptr_t)old;
	uintptr_t end = start + page_up(old_len);
	bool keeps = !old_len || (flags & MREMAP_DONTUNMAP);
	int err;
	void *p;

	if (!keeps)
		manage_unmapping(start, end);
	p = remap(old, old_len, len, flags, target);
	err = errno;
	if (p != MAP_FAILED && flags & MREMAP_FIXED)
		shared_gone((uintptr_t)p, (uintptr_t)p + page_up(len));
	if (p != MAP_FAILED)
		manage_mapped((uintptr_t)p, (uintptr_t)p + page_up(len));
	else if (!keeps)
		manage_mapped(start, end);
	errno = err;
	return p;
}

/* Is any part of [old, old + len) managed? */
static bool has_managed_part(void *old, size_t len)
{
	uintptr_t start = (uintptr_t)old;
	struct range r;

	if (manage_has(start))
		return true;
	return len <= SIZE_MAX - PAGE - start &&
	       manage_parts(start, start + page_up(len), &r, 1);
}

static void *remap_other(void *old, size_t old_len, size_t len, int flags,
			 void *target)
{
	bool keeps = !old_len || (flags & MREMAP_DONTUNMAP), is_view;
	uintptr_t start = (uintptr_t)old;
	struct shared_parts views = { .nr = 0 };
	struct range r;
	void *p;
	int err;

	/* As in munmap(): afterwards another thread may get the addresses. */
	is_view = shared_next(start, start + 1, &r);
	if (is_view && !keeps)
		shared_unmapping(start, start + page_up(old_len), &views);
	p = nofork_remap(old, old_len, len, flags, target);
	err = errno;
	if (p != MAP_FAILED && flags & MREMAP_FIXED)
		shared_gone((uintptr_t)p, (uintptr_t)p + page_up(len));
	if (p != MAP_FAILED && is_view)
		shared_added((uintptr_t)p, (uintptr_t)p + page_up(len));
	shared_unmapped(&views, p != MAP_FAILED);
	errno = err;
	return p;
}

static void *remap_watched(void *old, size_t old_len, size_t len, int flags,
			   void *target)
{
	if (has_managed_part(old, old_len))
		return remap_managed(old, old_len, len, flags, target);
	return remap_other(old, old_len, len, flags, target);
}

EXPORT void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	void *target = NULL;
	va_list ap;

	va_start(ap, flags);
	if (flags & MREMAP_FIXED)
		target = va_arg(ap, void *);
	va_end(ap);
	if (!map_is_watched(__builtin_return_address(0)))
		return (void *)syscall(SYS_mremap, old, old_len, len, flags,
				       target);
	return remap_watched(old, old_len, len, flags, target);
}

/* A device's memory that comes there now would have the old protection. */
static int protect_mapping(void *addr, size_t len, int prot, bool watched)
{
	int announced = watched ? manage_protects(addr, page_up(len)) : -ENODEV;
	uintptr_t start = (uintptr_t)addr;
	int ret = (int)syscall(SYS_mprotect, addr, len, prot);

	manage_changed(addr, page_up(len), announced);
	if (!ret && watched && is_opening(prot)) {
		int err = errno;

		manage_opened(start, start + page_up(len));
		errno = err;
	}
	return ret;
}

EXPORT int mprotect(void *addr, size_t len, int prot)
{
	return protect_mapping(
		addr, len, prot,
		len && map_is_watched(__builtin_return_address(0)));
}

bool map_syscall(long number, const long *a, const void *caller, long *ret)
{
	bool is_one = number == SYS_mmap || number == SYS_munmap ||
		      number == SYS_mremap || number == SYS_mprotect ||
		      number == SYS_madvise;
	void *p = (void *)a[0];
	size_t len = (size_t)a[1];

	if ((!is_one && number != SYS_process_madvise) ||
	    !map_is_watched(caller))
		return false;
	if (number == SYS_mmap)
		*ret = (long)map_watched(p, len, (int)a[2], (int)a[3],
					 (int)a[4], a[5]);
	else if (number == SYS_munmap)
		*ret = unmap_watched(p, len);
	else if (number == SYS_mremap)
		*ret = (long)remap_watched(p, len, (size_t)a[2], (int)a[3],
					   (void *)a[4]);
	else if (number == SYS_mprotect)
		*ret = protect_mapping(p, len, (int)a[2], len);
	else if (number == SYS_madvise)
		*ret = advise(p, len, (int)a[2]);
	else
		*ret = hint_process(a);
	return true;
}
