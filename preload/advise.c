// SPDX-License-Identifier: MIT
/*
 * Calls by which the program tells the kernel how it uses its memory, where the
 * kernel's answer depends on pages that libuhmm has moved.
 *
 * Guard pages: the kernel installs them without an event for libuhmm.  An away
 * page would come back in place of its guard, so pages on devices are discarded
 * as well.  MADV_WIPEONFORK: memory that a child is to find wiped is not
 * managed any more.
 *
 * In inline mode the kernel cannot fetch an away page, so the page is brought
 * home before the kernel is asked to populate it.  In either mode pages stay
 * pinned until mlock(2) has locked them: a move that had begun earlier could
 * drop the lock (see src/mm/uffd/stash.c).
 *
 * Discards: before Linux 6.18 the kernel discards the front of a mapping that
 * is cut in two while our event of that is read, and not the rest.  libuhmm
 * cuts mappings where it maps the memory of a device, but not where a change
 * has been announced.
 *
 * mlockall(2) would fill libuhmm's frames, which are 32 GiB of addresses, and
 * the stores of devices, and count our reserve of addresses against the limit
 * of the process.  So the program's own mappings are locked one by one.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "hints.h"
#include "preload.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static int sys_mlock2(const void *addr, size_t len, unsigned flags)
{
	if (!flags)
		return (int)syscall(SYS_mlock, addr, len);
	return (int)syscall(SYS_mlock2, addr, len, flags);
}

static bool is_page_range(const void *addr, size_t len)
{
	return (uintptr_t)addr % PAGE == 0 && len &&
	       len <= SIZE_MAX - PAGE - (uintptr_t)addr;
}

/* ---- Advice ------------------------------------------------------------- */

/*
 * Does a discard have to be announced to be complete?  Before Linux 6.18, where
 * a mapping is cut in two meanwhile, the kernel leaves out the rest.  Only
 * devices that were named can be coherent, which is what cuts mappings.
 */
static bool needs_notice(void)
{
	return settings.devices && manage_is_started();
}

/* A mapping of one page cannot be cut. */
static int discard_pages(char *addr, size_t len, int advice)
{
	int ret = 0, err = 0;

	for (size_t i = 0; i < len; i += PAGE) {
		if (!sys_madvise(addr + i, PAGE, advice))
			continue;
		ret = -1;
		err = errno;
		if (err != ENOMEM) /* a hole, which does not end the call */
			break;
	}
	if (ret)
		errno = err;
	return ret;
}

int advise_discard(void *addr, size_t len, int advice)
{
	int err, ret;

	if (len <= PAGE || !needs_notice())
		return sys_madvise(addr, len, advice);
	err = manage_clears(addr, page_up(len));
	if (err == -ENOMEM)
		return discard_pages(addr, len, advice);
	ret = sys_madvise(addr, len, advice);
	manage_changed(addr, page_up(len), err);
	return ret;
}

/* Memory of a device cannot be freed later, so it is discarded at once. */
static int free_lazily(void *addr, size_t len)
{
	int ret = advise_discard(addr, len, MADV_FREE);

	if (ret && errno == EINVAL && manage_has((uintptr_t)addr))
		ret = advise_discard(addr, len, MADV_DONTNEED);
	return ret;
}

static int install_guard(void *addr, size_t len)
{
	int err, ret = sys_madvise(addr, len, MADV_GUARD_INSTALL);

	if (ret)
		return ret;
	err = errno;
	if (advise_discard(addr, len, MADV_DONTNEED))
		advise_discard(addr, len, MADV_DONTNEED_LOCKED);
	errno = err;
	return 0;
}

static int populate(void *addr, size_t len, int advice)
{
	struct present p = { .nr = 0 };
	int ret;

	present_add(&p, addr, len);
	ret = sys_madvise(addr, len, advice);
	present_end(&p);
	return ret;
}

int advise(void *addr, size_t len, int advice)
{
	uintptr_t start = (uintptr_t)addr;

	if (!is_page_range(addr, len))
		return sys_madvise(addr, len, advice);
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return advise_discard(addr, len, advice);
	case MADV_FREE:
		return free_lazily(addr, len);
	case MADV_GUARD_INSTALL:
		return install_guard(addr, len);
	case MADV_WIPEONFORK:
		manage_exclude(start, start + page_up(len));
		return sys_madvise(addr, len, advice);
	case MADV_DONTFORK:
	case MADV_DOFORK:
		return nofork_advise(start, start + page_up(len), advice);
	case MADV_REMOVE:
		return shared_remove(addr, page_up(len)) ?
			       0 :
			       sys_madvise(addr, len, advice);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return populate(addr, len, advice);
	default:
		hint_range(addr, len, advice);
		return sys_madvise(addr, len, advice);
	}
}

EXPORT int madvise(void *addr, size_t len, int advice)
{
	if (!map_is_watched(__builtin_return_address(0)))
		return sys_madvise(addr, len, advice);
	return advise(addr, len, advice);
}

/* ---- Locks -------------------------------------------------------------- */

static int lock(const void *addr, size_t len, unsigned flags)
{
	struct present p = { .nr = 0 };
	int ret;

	if (!flags)
		present_always(&p, addr, len);
	ret = sys_mlock2(addr, len, flags);
	present_end(&p);
	return ret;
}

EXPORT int mlock(const void *addr, size_t len)
{
	if (!map_is_watched(__builtin_return_address(0)))
		return sys_mlock2(addr, len, 0);
	return lock(addr, len, 0);
}

EXPORT int mlock2(const void *addr, size_t len, unsigned flags)
{
	if (!map_is_watched(__builtin_return_address(0)))
		return (int)syscall(SYS_mlock2, addr, len, flags);
	return lock(addr, len, flags);
}

struct lock_all {
	bool counts;
	unsigned flags;
	size_t bytes;
};

static void lock_part(struct lock_all *all, uintptr_t start, uintptr_t end)
{
	all->bytes += end - start;
	if (!all->counts)
		lock((void *)start, end - start, all->flags);
}

/* One mapping can hold memory of libuhmm and of the program side by side. */
static void lock_one(const struct vma *vma, void *arg)
{
	uintptr_t at = vma->start;
	void *own;
	size_t len;

	if (vma->prot == PROT_NONE)
		return;
	while (at < vma->end && !uhmm_own_next((void *)at, &own, &len) &&
	       (uintptr_t)own < vma->end) {
		if ((uintptr_t)own > at)
			lock_part(arg, at, (uintptr_t)own);
		at = (uintptr_t)own + len;
	}
	if (at < vma->end)
		lock_part(arg, at, vma->end);
}

static int walk_all(bool counts, unsigned flags, size_t *ret_bytes)
{
	struct lock_all all = { .counts = counts, .flags = flags };
	int err = maps_walk(lock_one, &all);

	*ret_bytes = all.bytes;
	return err;
}

/* As the kernel decides.  A refusal must come before anything is changed. */
static int may_lock(size_t bytes)
{
	struct rlimit limit;

	if (!geteuid() || getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    bytes <= limit.rlim_cur)
		return 0;
	return limit.rlim_cur ? -ENOMEM : -EPERM;
}

/* MCL_CURRENT and the others.  Errors of single mappings do not matter. */
static int lock_all(int flags)
{
	size_t bytes;
	int err = walk_all(true, 0, &bytes);

	if (!err)
		err = may_lock(bytes);
	if (err)
		return err;
	if (flags & MCL_FUTURE && syscall(SYS_mlockall, flags & ~MCL_CURRENT))
		return -errno;
	return walk_all(false, flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0, &bytes);
}

EXPORT int mlockall(int flags)
{
	const int known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	int err;

	if (!map_is_watched(__builtin_return_address(0)) ||
	    !(flags & MCL_CURRENT) || flags & ~known)
		return (int)syscall(SYS_mlockall, flags);
	err = lock_all(flags);
	if (!err)
		return 0;
	errno = -err;
	return -1;
}
