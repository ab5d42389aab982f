/* SPDX-License-Identifier: MIT */
/*
 * uhmm.h - heterogeneous memory management in user space.  See uhmm(7).
 *
 * Calls return 0 or a count, or -errno.  They never set errno, and leave every
 * ret_ argument alone on failure, unless their contract says otherwise.  Beside
 * the errors that a call names it may return -EINVAL for a NULL that it cannot
 * do without, -ENODEV in the child of a fork(2), where the context is dead, and
 * -EDEADLK from a callback.
 *
 * An address range is @addr, @len in bytes, page aligned, and means
 * [addr, addr + len).  A struct that begins with `size` may grow at its end:
 * set size to sizeof, zero the rest.  In an array the size of the first entry
 * is that of all of them.  Every call is thread safe unless it says otherwise;
 * destroying NULL does nothing.
 *
 * The words are the kernel's: a page has uhmm_page_size() bytes, a device page
 * is named by its dpfn, device-private memory cannot be addressed by the CPU.
 */
#ifndef UHMM_H
#define UHMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uhmm/device.h>
#include <uhmm/own.h>
#include <uhmm/stats.h>
#include <uhmm/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm;	    /* one managed address space: our mm */
struct uhmm_budget; /* one limit for several processes: budget.h */

/* ---- Context ---------------------------------------------------------- */

/**
 * enum uhmm_fault_mode - the thread that resolves CPU faults on away pages
 * @UHMM_FAULTS_AUTO: threads where the kernel allows it, else inline
 * @UHMM_FAULTS_THREADS: handler threads, one pinned to each CPU.  System calls
 *	on migrated buffers work.  Needs the right to serve kernel-mode faults
 *	(CAP_SYS_PTRACE, /dev/userfaultfd or vm.unprivileged_userfaultfd=1);
 *	without it only the CPU's own touches are served.
 * @UHMM_FAULTS_INLINE: the faulting thread itself, in a SIGBUS handler.
 *	Faster; a system call on a buffer that is away fails with EFAULT.
 *	The stack of a thread without sigaltstack(2) must not migrate, nor
 *	thread-local variables, which lie in the last pages of a stack.
 */
enum uhmm_fault_mode {
	UHMM_FAULTS_AUTO,
	UHMM_FAULTS_THREADS,
	UHMM_FAULTS_INLINE,
};

/**
 * enum uhmm_open_flags - promises and wishes about a whole context
 * @UHMM_OPEN_NO_RECYCLE: frames are given back to the kernel at once and not
 *	used again, for programs that vmsplice(2) managed memory.
 * @UHMM_OPEN_STAT: a thread answers uhmm-stat(1), for the same user only.  If
 *	that cannot be, the log says so and the context is opened all the same.
 * @UHMM_OPEN_FORK: pages may stay away during a fork(2), see uhmm_inherit().
 *	malloc(3) must not lie in managed memory.
 * @UHMM_OPEN_RESCUE: a thread waits for uhmm_rescue().
 * @UHMM_OPEN_LIMIT_ALL: the limit on RAM is for what devices keep in RAM and
 *	for the library's tables, too
 * @UHMM_OPEN_LIMIT_PROCESS: and for RAM of the process that is not managed
 */
enum uhmm_open_flags {
	UHMM_OPEN_NO_RECYCLE = 1u << 0,
	UHMM_OPEN_STAT = 1u << 1,
	UHMM_OPEN_FORK = 1u << 2,
	UHMM_OPEN_RESCUE = 1u << 3,
	UHMM_OPEN_LIMIT_ALL = 1u << 4,
	UHMM_OPEN_LIMIT_PROCESS = 1u << 5,
};

/**
 * enum uhmm_charge - what a RAM limit is for
 * @UHMM_CHARGE_TIER: RAM alone; each device has limits of its own.  What is too
 *	much is demoted, and a page that comes home has to wait for that
 * @UHMM_CHARGE_KEEP: RAM and devices together, as in Linux: a page on a device
 *	stays charged, so its coming home never passes a limit.  Nothing is
 *	demoted for it.  New pages on a device that would pass it are refused; a
 *	first touch by the CPU passes it, and is counted
 */
enum uhmm_charge {
	UHMM_CHARGE_TIER,
	UHMM_CHARGE_KEEP,
};

#define UHMM_RAM_LIMIT_CGROUP UINT64_MAX

/**
 * struct uhmm_params - how to open a context
 * @size: sizeof(struct uhmm_params)
 * @fault_mode: enum uhmm_fault_mode
 * @flags: enum uhmm_open_flags
 * @nr_threads: handler threads; 0 means one a CPU
 * @charge: enum uhmm_charge
 * @watchdog_ms: after so long a provider's call is reported as stuck; 0 means
 *	what the variable UHMM_WATCHDOG_MS says, or 5000
 * @ram_limit: bytes of managed memory that may stay in RAM; 0 means no limit,
 *	UHMM_RAM_LIMIT_CGROUP that of uhmm_cgroup_limit().  See
 *	uhmm_set_ram_limit().
 * @pool_limit: bytes of frames kept for reuse; 0 means a sensible share
 * @features_off: kernel features not to use, comma separated ("move,poison"),
 *	or NULL.  The variable UHMM_FEATURES_OFF adds to it, except in a
 *	process that runs with raised privilege.
 * @budget: of uhmm_budget_attach(), or NULL.  The limit is what this process
 *	may have of it, and @ram_limit must be 0.  It stays attached until the
 *	context is closed
 */
struct uhmm_params {
	size_t size;
	uint32_t fault_mode;
	uint32_t flags;
	uint32_t nr_threads;
	uint32_t charge;
	uint32_t watchdog_ms;
	uint32_t reserved;
	uint64_t ram_limit;
	uint64_t pool_limit;
	const char *features_off;
	struct uhmm_budget *budget;
};

/**
 * uhmm_open() - make a context for the calling process
 * @params: NULL means the defaults
 * @ret_u: the context; to be closed by uhmm_close()
 *
 * Starts the handler threads.  After fork(2) the child's copy of the context
 * is dead: every call on it returns -ENODEV, all memory is the child's own.
 *
 * Return: 0; -EINVAL for an unknown mode or feature name; -E2BIG for a newer
 * struct with fields set that this library does not know; -ENOSYS or -EPERM
 * where userfaultfd(2) is missing or forbidden; -EOPNOTSUPP where pages are not
 * of uhmm_page_size() bytes; -EBUSY: another context of the process has the
 * budget; -EMFILE, also for a 257th inline context; -ENFILE; -ENOMEM.
 */
int uhmm_open(const struct uhmm_params *params, struct uhmm **ret_u);

/**
 * uhmm_inherit() - in a child of fork(2), the context that goes on
 * @u: the parent's, opened with UHMM_OPEN_FORK; it is dead here
 * @ret_u: the child's own, of the same ranges and limit; to be closed
 *
 * Its devices are those that had pages, to be read only: open new ones.
 *
 * Return: 0, once; -ENOENT when all pages came home before the fork.
 */
int uhmm_inherit(struct uhmm *u, struct uhmm **ret_u);

/**
 * uhmm_close() - bring every page home, remove every device, stop
 *
 * No other call on @u may run or follow.  A page that cannot come home is
 * poisoned: touching it raises SIGBUS until its mapping is gone.
 *
 * Return: 0, or -EIO when pages were lost in that way.
 */
int uhmm_close(struct uhmm *u);

/**
 * uhmm_rescue() - bring every page home before the process dies
 * @u: opened with UHMM_OPEN_RESCUE
 * @patience_ms: give up when no page has come home for so long
 *
 * For handlers of fatal signals, so that a core dump has all data: it may be
 * called in them, whatever they interrupted, and uses less than 1 KiB of stack.
 * Limits on RAM are passed.  From then on no page leaves; other calls that move
 * pages do not return.  Only uhmm_close() may follow.
 *
 * Return: 0; -EIO when pages were lost, which are poisoned; -ETIMEDOUT when it
 * gave up; -ENOMEM; -EINVAL without UHMM_OPEN_RESCUE.
 */
int uhmm_rescue(struct uhmm *u, unsigned patience_ms);

/**
 * uhmm_cgroup_limit() - what the kernel lets this process have
 *
 * The least memory.max, memory.high (v2) or memory.limit_in_bytes (v1) of its
 * cgroup and those above, less an eighth, and 16 MiB at least, for code, stacks
 * and what no limit of ours counts; less a half where it is very little.
 *
 * Return: bytes, whole pages; 0 when there is no limit.
 */
uint64_t uhmm_cgroup_limit(void);

/* ---- Ranges ----------------------------------------------------------- */

/**
 * uhmm_register() - manage a range
 *
 * uhmm_migrate() does this by itself, 2 MiB at a time; call it to have memory
 * accounted and limited from the start.  The range may span mappings.
 *
 * Return: 0; -EINVAL for an unaligned, empty or wrapping range; -ENOMEM when a
 * part is unmapped; -EOPNOTSUPP when a part is not private anonymous memory;
 * -EBUSY when a part belongs to another userfaultfd, or mappings there keep
 * changing.  On error nothing changed.
 */
int uhmm_register(struct uhmm *u, void *addr, size_t len);

/**
 * uhmm_unregister() - bring pages home and forget the range
 *
 * Parts that were never managed are skipped.  May block on a device.
 *
 * Return: 0; -EINVAL; -EBUSY when pages are pinned there, or mappings keep
 * changing; -EIO when pages had to be poisoned; -ENOMEM when a range could not
 * be split: it stays managed, with those behind it.
 */
int uhmm_unregister(struct uhmm *u, void *addr, size_t len);

/**
 * uhmm_set_ram_limit() - bytes of managed memory that may stay in RAM
 *
 * Counts registered ranges and the frames uhmm keeps.  Above the limit cold
 * pages are demoted to the devices, in the order the devices were added, by a
 * thread of its own.  A CPU fault never fails for the limit: when nothing can
 * be demoted the limit is exceeded, which the statistics show.
 *
 * With UHMM_OPEN_LIMIT_ALL a page is demoted only where that frees RAM.
 * @bytes: 0 means no limit
 *
 * Return: 0; -EINVAL when not page aligned; -ENOMEM.
 */
int uhmm_set_ram_limit(struct uhmm *u, uint64_t bytes);

/* ---- Placement.  A NULL device means system RAM ------------------------ */

/**
 * enum uhmm_why - why a page is not where uhmm_migrate() should have put it
 * @UHMM_WHY_OK: it is there
 * @UHMM_WHY_PINNED: held by uhmm_pin(), or by the kernel for DMA
 * @UHMM_WHY_SHARED: shared with another process since a fork(2)
 * @UHMM_WHY_BUSY: another move was under way, or the caller's own stack
 * @UHMM_WHY_NO_ROOM: the device is full, or the charge group at its limit
 * @UHMM_WHY_UNSUPPORTED: not private anonymous memory, or special
 * @UHMM_WHY_FOREIGN: belongs to another userfaultfd
 * @UHMM_WHY_LOCKED: mlock(2) keeps it in RAM
 * @UHMM_WHY_IO: the provider's copy failed
 * @UHMM_WHY_POISONED: its data were lost earlier
 * @UHMM_WHY_TOUCHED: the CPU touched it during the move, and won
 * @UHMM_WHY_UNMAPPED: the application unmapped it during the call
 * @UHMM_WHY_MAPPINGS: the process would come near vm.max_map_count
 * @UHMM_WHY_FIXED: its device, or the one asked for, takes no part in migration
 */
enum uhmm_why {
	UHMM_WHY_OK,
	UHMM_WHY_PINNED,
	UHMM_WHY_SHARED,
	UHMM_WHY_BUSY,
	UHMM_WHY_NO_ROOM,
	UHMM_WHY_UNSUPPORTED,
	UHMM_WHY_FOREIGN,
	UHMM_WHY_LOCKED,
	UHMM_WHY_IO,
	UHMM_WHY_POISONED,
	UHMM_WHY_TOUCHED,
	UHMM_WHY_UNMAPPED,
	UHMM_WHY_MAPPINGS,
	UHMM_WHY_FIXED,
};

/** uhmm_why_name() - Return: one word for a reason, "unknown" for others. */
const char *uhmm_why_name(enum uhmm_why why);

/**
 * uhmm_migrate() - move the pages of a range to a device, or home
 * @addr: any private anonymous memory: heap, mapping, bss, stack
 * @dev: NULL brings the pages to RAM
 *
 * Populated pages are copied; pages never touched are allocated on the device
 * as zeroes.  The CPU may read and write the range all the while: a page it
 * touches first stays.  Pages already at the destination count as there.
 * Partial success is normal.  Blocks on the provider's copies; must not be
 * called from a provider's callback (-EDEADLK).
 *
 * Return: pages now at the destination; -EINVAL for an unaligned, empty or
 * wrapping range, or a device of another context; -ENODEV for a device that is
 * lost; -ENOMEM when a part is unmapped; when not one page could be managed,
 * -EOPNOTSUPP or -EBUSY as for uhmm_register().  On error nothing changed.
 */
ssize_t uhmm_migrate(struct uhmm *u, void *addr, size_t len,
		     struct uhmm_device *dev);

/**
 * uhmm_migrate_why() - uhmm_migrate() that tells about each page
 * @ret_why: an enum uhmm_why for each page, len / uhmm_page_size() bytes;
 *	written only when the call returns a count; NULL: not wanted
 *
 * Return: as uhmm_migrate().
 */
ssize_t uhmm_migrate_why(struct uhmm *u, void *addr, size_t len,
			 struct uhmm_device *dev, uint8_t *ret_why);

/**
 * uhmm_migrate_start() - uhmm_migrate() in the background
 * @cookie: comes back in the completion
 *
 * The range must stay mapped until the completion has been read.
 *
 * Return: 0; -EAGAIN when too many are under way (read completions first); or
 * an error of uhmm_migrate() that shows at once.
 */
int uhmm_migrate_start(struct uhmm *u, void *addr, size_t len,
		       struct uhmm_device *dev, uint64_t cookie);

/**
 * struct uhmm_completion - the end of a background move
 * @size: set by the caller in the first entry, by the library in all
 * @cookie: as given to uhmm_migrate_start()
 * @result: what uhmm_migrate() would have returned
 */
struct uhmm_completion {
	size_t size;
	uint64_t cookie;
	int64_t result;
};

/**
 * uhmm_fd() - a descriptor that is readable while completions wait
 *
 * The context owns it; do not read or close it.  Return: for poll(2), the same
 * at each call; -EINVAL: @u is NULL; -ENODEV in a child of fork(2).
 */
int uhmm_fd(struct uhmm *u);

/**
 * uhmm_complete() - take finished background moves, oldest first
 * @ret_done: @max entries
 *
 * Does not block.  On error nothing is taken.
 *
 * Return: the number of entries written, 0 when none is ready; -EINVAL; -E2BIG.
 */
ssize_t uhmm_complete(struct uhmm *u, struct uhmm_completion *ret_done,
		      size_t max);

/**
 * uhmm_pin() - bring a range to RAM and keep it there
 *
 * Pins nest, page by page, up to 65535 deep.  For buffers of devices that
 * know nothing of uhmm.
 *
 * Return: 0; -EINVAL, -ENOMEM, -EOPNOTSUPP, -EBUSY as uhmm_register();
 * -EOVERFLOW; -EIO when a page cannot come home.  On error nothing is pinned.
 */
int uhmm_pin(struct uhmm *u, void *addr, size_t len);

/** uhmm_unpin() - undo one uhmm_pin().  Return: 0; -EINVAL if not pinned. */
int uhmm_unpin(struct uhmm *u, void *addr, size_t len);

/**
 * uhmm_fault_in() - make memory present for a system call
 * @addr: of any memory, managed or not; it need not begin on a page
 * @len: bytes
 * @write: the call will write there
 *
 * Where faults of system calls are not served, a call on pages that are away or
 * were never touched fails with EFAULT.  After this one it works, unless the
 * pages leave again before it: try again then, or use uhmm_pin().  Memory that
 * is not managed is left as it is.  Blocks as a fault does.
 *
 * Return: pages that were brought in, 0 when all were there; less than asked
 * for ends where the program has no access.  -EFAULT when that is the first
 * page, or when its data are lost; -ENOMEM.
 */
ssize_t uhmm_fault_in(struct uhmm *u, const void *addr, size_t len, bool write);

/* ---- Where pages are --------------------------------------------------- */

/*
 * An entry of a page table, with the shape of the kernel's hmm_pfn: flags on
 * top, the order of the page (9: it is part of a huge page of 2 MiB, or of an
 * aligned run on a device, 18: of 1 GiB), the device's number (0 is RAM), and
 * for a device page its dpfn.  An entry of RAM in a mirror has the number of
 * the address to access it at.
 */
typedef uint64_t uhmm_pfn_t;
#define UHMM_PFN_VALID	(UINT64_C(1) << 63) /* holds data */
#define UHMM_PFN_WRITE	(UINT64_C(1) << 62) /* the owner may write */
#define UHMM_PFN_ERROR	(UINT64_C(1) << 61) /* poisoned */
#define UHMM_PFN_PINNED (UINT64_C(1) << 47) /* held by uhmm_pin() */
#define UHMM_PFN_FROZEN (UINT64_C(1) << 46) /* in a frame: a touch is cheap */
#define UHMM_PFN_ZERO	(UINT64_C(1) << 45) /* the shared page of zeroes */

/** uhmm_pfn_order() - log2 of the pages that are mapped together */
static inline unsigned uhmm_pfn_order(uhmm_pfn_t pfn)
{
	return (unsigned)(pfn >> 56) & 0x1f;
}

/** uhmm_pfn_device() - the device of an entry, as in uhmm_device_info.id */
static inline unsigned uhmm_pfn_device(uhmm_pfn_t pfn)
{
	return (unsigned)(pfn >> 48) & 0xff;
}

/** uhmm_pfn_dpfn() - the device page of an entry that is on a device */
static inline uint64_t uhmm_pfn_dpfn(uhmm_pfn_t pfn)
{
	return pfn & ((UINT64_C(1) << 45) - 1);
}

/** uhmm_pfn_addr() - where to access an entry of RAM in a mirror */
static inline void *uhmm_pfn_addr(uhmm_pfn_t pfn)
{
	return (void *)(uintptr_t)(uhmm_pfn_dpfn(pfn) * uhmm_page_size());
}

/**
 * uhmm_snapshot() - where each page of a range is
 * @ret_pfns: len / uhmm_page_size() entries; 0 means nothing there
 *
 * Faults nothing in and may be stale on return.  Memory that is not managed
 * is reported as RAM when resident.
 *
 * Return: 0; -EINVAL; -ENOMEM when a part is unmapped.
 */
int uhmm_snapshot(struct uhmm *u, const void *addr, size_t len,
		  uhmm_pfn_t *ret_pfns);

/**
 * struct uhmm_range - a run of managed addresses, and where its pages are
 * @size: set by the caller in the first entry, by the library in all
 * @addr: of its first byte
 * @len: bytes.  All pages are counted once below
 * @ram_pages: in RAM, at their addresses: what smaps has as Rss
 * @frozen_pages: in RAM, in frames
 * @device_pages: on devices; uhmm_range_pages() tells on which
 * @poisoned_pages: lost
 * @empty_pages: not there: never touched, or discarded
 */
struct uhmm_range {
	size_t size;
	void *addr;
	size_t len;
	uint64_t ram_pages;
	uint64_t frozen_pages;
	uint64_t device_pages;
	uint64_t poisoned_pages;
	uint64_t empty_pages;
};

/**
 * uhmm_ranges() - list the ranges, in the manner of /proc/PID/smaps
 * @from: ranges that end after it, the first of them cut if it lies within
 * @ret_ranges: @max entries
 *
 * Ranges that touch are one.  Begin with NULL, and go on where the last one
 * ended.  Pages that move meanwhile may be missed or counted twice.
 *
 * Return: the number of entries written, 0 when there is no range left;
 * -EINVAL; -E2BIG; -ENOMEM; -ENODEV.
 */
ssize_t uhmm_ranges(struct uhmm *u, const void *from,
		    struct uhmm_range *ret_ranges, size_t max);

/**
 * uhmm_range_pages() - pages of a range that are on a device
 * @dev: NULL: in RAM, frames included
 *
 * Parts that are not managed are passed over.
 *
 * Return: pages; -EINVAL for an unaligned, empty or wrapping range, or a device
 * of another context; -ENOMEM; -ENODEV.
 */
ssize_t uhmm_range_pages(struct uhmm *u, const void *addr, size_t len,
			 struct uhmm_device *dev);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
