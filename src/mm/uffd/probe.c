/* SPDX-License-Identifier: MIT */
/*
 * probe.c - open the two descriptors and find out, by trying, what the
 * kernel can do.  Each feature can be turned off by name, so that any kernel
 * can be tested as if it were an older one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"
#include "sys/fds.h"

/* Names as in uhmm_params.features_off. */
static const struct {
	const char *name;
	size_t offset;
} names[] = {
	{ "move", offsetof(struct uffd_features, move) },
	{ "poison", offsetof(struct uffd_features, poison) },
	{ "stash", offsetof(struct uffd_features, stash) },
	{ "scan", offsetof(struct uffd_features, scan) },
	{ "procmap", offsetof(struct uffd_features, procmap) },
	{ "minor", offsetof(struct uffd_features, minor) },
	{ "kernel-faults", offsetof(struct uffd_features, kernel_faults) },
	{ "fork", offsetof(struct uffd_features, fork) },
	{ "object", offsetof(struct uffd_features, object) },
};

enum {
	NR_NAMES = sizeof(names) / sizeof(*names)
};

static bool *feature(struct uffd_features *has, size_t i)
{
	return (bool *)((char *)has + names[i].offset);
}

static int turn_off_one(struct uffd_features *allowed, const char *name,
			size_t len)
{
	/* An empty name, or a rung that this version does not have yet. */
	if (len == 0 || (len == 9 && !memcmp(name, "rwprotect", 9)))
		return 0;
	for (size_t i = 0; i < NR_NAMES; i++) {
		if (strlen(names[i].name) != len ||
		    memcmp(names[i].name, name, len))
			continue;
		*feature(allowed, i) = false;
		return 0;
	}
	return -EINVAL;
}

static int turn_off(struct uffd_features *allowed, const char *list)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");
		int ret = turn_off_one(allowed, list, len);

		if (ret)
			return ret;
		list += len + (list[len] == ',');
	}
	return 0;
}

int uffd_list_features(struct mm *mm, char *buf, size_t len)
{
	struct uffd *b = to_uffd(mm);
	const char *word = mm->is_inline ? "inline" : "threads";
	size_t total = 0;

	for (size_t i = 0;; i++) {
		for (; *word; word++, total++)
			if (total + 1 < len)
				buf[total] = *word;
		while (i < NR_NAMES && !*feature(&b->has, i))
			i++;
		if (i == NR_NAMES)
			break;
		if (total + 1 < len)
			buf[total] = ',';
		total++;
		word = names[i].name;
	}
	if (len)
		buf[total < len ? total : len - 1] = '\0';
	return (int)total;
}

/* ---- Descriptors ---- */

/* Prefer one that serves system calls' faults too: *@full says. */
static int new_fd(bool *full)
{
	int flags = O_CLOEXEC | O_NONBLOCK;
	int fd, dev;

	if (*full) {
		fd = sys_userfaultfd(flags);
		if (fd != -EPERM)
			return fd;
		dev = sys_open("/dev/userfaultfd", O_RDWR);
		if (dev >= 0) {
			fd = sys_ioctl("USERFAULTFD_IOC_NEW", dev,
				       UAPI_USERFAULTFD_IOC_NEW,
				       (void *)(uintptr_t)flags);
			sys_close(dev);
			if (fd >= 0)
				return fd;
		}
		*full = false;
	}
	return sys_userfaultfd(flags | UAPI_USER_MODE_ONLY);
}

static int handshake(int fd, uint64_t want, uint64_t *ret_features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = want };
	int ret = sys_ioctl("UFFDIO_API", fd, UFFDIO_API, &api);

	if (!ret && ret_features)
		*ret_features = api.features;
	return ret;
}

/* A descriptor that has been asked cannot be asked again. */
static int ask_features(bool *full, uint64_t *ret)
{
	int fd = new_fd(full);
	int err;

	if (fd < 0)
		return fd;
	err = handshake(fd, 0, ret);
	sys_close(fd);
	return err;
}

static int open_fd(bool *full, uint64_t want, int *ret_fd)
{
	int fd = new_fd(full);
	int ret;

	if (fd < 0)
		return fd;
	ret = handshake(fd, want, NULL);
	if (ret) {
		sys_close(fd);
		return ret;
	}
	*ret_fd = sys_fd_keep(fd, SYS_FD_FAR);
	return 0;
}

static int open_kept(const char *path)
{
	return sys_fd_keep(sys_open(path, O_RDONLY), SYS_FD_FAR);
}

/* Whether we may have the fork event is not among the features. */
static int open_events(struct uffd *b, bool *full, uint64_t want)
{
	int ret = -EPERM;

	if (b->has.fork)
		ret = open_fd(full, want | UFFD_FEATURE_EVENT_FORK, &b->u);
	if (ret != -EPERM)
		return ret;
	b->has.fork = false;
	return open_fd(full, want, &b->u);
}

static int open_both(struct uffd *b, const struct mm_params *params)
{
	const uint64_t need =
		UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP |
		UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;
	const uint64_t shared = UFFD_FEATURE_MISSING_SHMEM |
				UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	bool full = b->has.kernel_faults;
	uint64_t all, want = need;
	int ret;

	ret = ask_features(&full, &all);
	if (ret)
		return ret;
	if ((all & need) != need)
		return -ENOSYS;
	b->has.kernel_faults = full;
	b->has.move &= !!(all & UAPI_FEATURE_MOVE);
	b->has.poison &= !!(all & UAPI_FEATURE_POISON);
	b->has.minor &= !!(all & UFFD_FEATURE_MINOR_SHMEM);
	b->has.object &= (all & shared) == shared;
	b->mm.is_inline = params->fault_mode == UHMM_FAULTS_INLINE ||
			  (params->fault_mode == UHMM_FAULTS_AUTO && !full);
	if (b->mm.is_inline)
		want |= UFFD_FEATURE_SIGBUS;
	if (!b->has.poison)
		want |= UFFD_FEATURE_THREAD_ID;
	b->has.fork &= !!(all & UFFD_FEATURE_EVENT_FORK);
	want |= all & (UAPI_FEATURE_MOVE | UAPI_FEATURE_POISON |
		       UFFD_FEATURE_MINOR_SHMEM | shared);
	if (params->inherits) /* it knows what it can do already */
		b->u = sys_fd_keep(params->inherited, SYS_FD_FAR);
	else
		ret = open_events(b, &full, want);
	if (ret)
		return ret;
	return open_fd(&full, all & UAPI_FEATURE_MOVE, &b->s);
}

/* ---- Trying ---- */

/*
 * A page that stays, two for trials, then the zeroes, and behind them a page
 * that nobody can read.  Kept from children: a
 * fork(2) of another thread would wait for the reader of its event, and there
 * is none yet.
 */
static int open_scratch(struct uffd *b)
{
	uintptr_t p;
	int ret;

	b->scratch_len = (5 + UFFD_ZERO_PAGES) * MM_PAGE_SIZE;
	ret = sys_own_map(b->scratch_len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, &p);
	if (ret)
		return ret;
	ret = sys_madvise(p, b->scratch_len, MADV_DONTFORK);
	b->scratch = p;
	b->zeroes = (char *)p + 4 * MM_PAGE_SIZE;
	b->nowhere = b->zeroes + UFFD_ZERO_PAGES * MM_PAGE_SIZE;
	if (!ret)
		ret = sys_mprotect((uintptr_t)b->nowhere, MM_PAGE_SIZE,
				   PROT_NONE);
	*(volatile char *)p = 1;
	*(volatile char *)(p + MM_PAGE_SIZE) = 1;
	for (size_t i = 0; i < UFFD_ZERO_PAGES; i++)
		*(volatile char *)(b->zeroes + i * MM_PAGE_SIZE) = 0;
	return ret ? ret :
		     uffd_register(b->u, p, MM_PAGE_SIZE,
				   UFFDIO_REGISTER_MODE_MISSING |
					   UFFDIO_REGISTER_MODE_WP);
}

static bool try_scan(struct uffd *b)
{
	uintptr_t block = b->scratch & ~(MM_BLOCK_SIZE - 1);
	unsigned page = (unsigned)((b->scratch - block) >> MM_PAGE_SHIFT);
	struct mm_set there, huge;

	return b->has.scan && b->pagemap >= 0 &&
	       !uffd_scan(b, block, page, page + 1, &there, &huge) &&
	       set_has(&there, page);
}

static bool try_procmap(struct uffd *b)
{
	struct uffd_vma vma;

	return b->has.procmap && b->maps >= 0 &&
	       !uffd_find_vma(b, b->scratch, &vma) && vma.start <= b->scratch;
}

static bool try_move(struct uffd *b)
{
	ssize_t ret;

	if (!b->has.move)
		return false;
	ret = uffd_move(b->u, b->slots, b->scratch + MM_PAGE_SIZE, MM_PAGE_SIZE,
			0);
	uffd_drop(&b->mm, b->slots, 1);
	return ret == (ssize_t)MM_PAGE_SIZE;
}

int uffd_probe(struct uffd *b, const struct mm_params *params)
{
	int ret;

	for (size_t i = 0; i < NR_NAMES; i++)
		*feature(&b->has, i) = true;
	ret = turn_off(&b->has, params->features_off);
	if (!ret)
		ret = turn_off(&b->has, sys_getenv("UHMM_FEATURES_OFF"));
	if (!ret)
		ret = open_both(b, params);
	if (!ret)
		ret = open_scratch(b);
	if (!ret)
		ret = uffd_slots_open(b, params->nr_slots);
	if (ret)
		return ret;
	b->pagemap = open_kept("/proc/thread-self/pagemap");
	b->maps = open_kept("/proc/thread-self/maps");
	b->has.scan = try_scan(b);
	b->has.procmap = try_procmap(b);
	b->has.move = try_move(b);
	b->mm.can_move = b->has.move;
	b->has.stash = uffd_try_stash(b);
	if (!b->has.move && !b->has.stash)
		return -ENOSYS;
	b->mm.can_share = b->has.kernel_faults && !b->mm.is_inline;
	b->mm.can_fork = b->has.fork && !b->mm.is_inline;
	return 0;
}
