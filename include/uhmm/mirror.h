/* SPDX-License-Identifier: MIT */
/*
 * mirror.h - a device's page table that is kept equal to the CPU's.
 * See uhmm_mirror_add(3).
 *
 * A device that shares the process's addresses keeps a table of its own.  It
 * fills the table by uhmm_mirror_fault(), the kernel's hmm_range_fault() with
 * the retry loop inside, and is told by ->invalidate() before anything changes
 * under it.  Both callbacks run under the mirror's lock: no entry outlives an
 * invalidation.
 *
 * Mirroring is wider than migrating: shared, file-backed and hugetlb memory
 * can be mirrored too.
 */
#ifndef UHMM_MIRROR_H
#define UHMM_MIRROR_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm_mirror;

/**
 * enum uhmm_notify - why entries are invalidated
 * @UHMM_NOTIFY_UNMAP: the mapping goes away or elsewhere
 * @UHMM_NOTIFY_CLEAR: the pages are discarded
 * @UHMM_NOTIFY_PROTECT: the CPU's permissions change
 * @UHMM_NOTIFY_MIGRATE: pages are not where their entries say any more: they
 *	move between RAM and a device, the mirror's own too, or between devices,
 *	or are lost with their device
 * @UHMM_NOTIFY_EXCLUSIVE: another device wants it for itself, or the CPU
 *	touched what was exclusive
 * @UHMM_NOTIFY_RELEASE: the mirror, its device or the context goes away
 *
 * As the kernel's enum mmu_notifier_event.
 */
enum uhmm_notify {
	UHMM_NOTIFY_UNMAP = 1,
	UHMM_NOTIFY_CLEAR,
	UHMM_NOTIFY_PROTECT,
	UHMM_NOTIFY_MIGRATE,
	UHMM_NOTIFY_EXCLUSIVE,
	UHMM_NOTIFY_RELEASE,
};

/**
 * struct uhmm_mirror_ops - what a device does with its page table
 *
 * Both callbacks run under the mirror's lock, on any thread, also while a CPU
 * fault waits for them.  They may sleep for the device; they must not call uhmm
 * (-EDEADLK), touch managed memory or call malloc(3).  Where an entry of RAM is
 * the page's own address, the CPU may access that address without a lock.  The
 * access may fault, so the accessing thread must hold no lock that
 * ->invalidate() takes.
 */
struct uhmm_mirror_ops {
	size_t size;

	/**
	 * @map: enter @npages pages from @start.  Each of @pfns is VALID, and
	 * WRITE when the device may write; on the mirror's own device it is
	 * a dpfn; else it is RAM, which is found at uhmm_pfn_addr().  The
	 * entries hold until ->invalidate() of them returns.  -errno: nothing
	 * is entered, uhmm_mirror_fault() returns it.
	 */
	int (*map)(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
		   size_t npages);

	/**
	 * @invalidate: forget all entries in [@start, @end).  On return the
	 * device uses none of them any more, and what it wrote can be seen.
	 */
	void (*invalidate)(void *priv, uintptr_t start, uintptr_t end,
			   enum uhmm_notify why);
};

/**
 * uhmm_mirror_add() - have a device's page table kept equal to the CPU's
 * @addr, @len: the range; NULL and 0 mean all addresses
 * @dev: pages of this device are entered as dpfns; NULL: no pages are
 * @ops: must outlive the mirror
 * @priv: given to each callback
 * @ret_mirror: to be removed by uhmm_mirror_remove(), before its device
 *
 * Mirrors may overlap.  A new mirror has no entries.  When a call of
 * uhmm_snapshot(), for any memory, returns, each mirror has been told of all
 * unmaps and discards that were done before the call began.
 *
 * Return: 0; -EINVAL for an unaligned or wrapping range, missing callbacks or
 * a device of another context; -E2BIG; -ENODEV for a device that was removed;
 * -EDEADLK from a callback; -ENOMEM.
 */
int uhmm_mirror_add(struct uhmm *u, void *addr, size_t len,
		    struct uhmm_device *dev, const struct uhmm_mirror_ops *ops,
		    void *priv, struct uhmm_mirror **ret_mirror);

/**
 * uhmm_mirror_remove() - invalidate everything, then forget the mirror
 *
 * Faults that run on it end first, with -ENODEV.  No callback runs on return;
 * pages exclusive to it are the CPU's again.  No other call on the mirror may
 * follow.  NULL does nothing.
 *
 * Return: 0; -EDEADLK from a callback, nothing changed.
 */
int uhmm_mirror_remove(struct uhmm_mirror *mirror);

/**
 * enum uhmm_fault_flags - what the device wants
 * @UHMM_FAULT_WRITE: to write, else to read
 * @UHMM_FAULT_EXCLUSIVE: to be the only one that can access the pages: atomic
 *	operations of a device that cannot do them on the bus.  Private
 *	anonymous memory only.  Implies @UHMM_FAULT_WRITE.  The pages are in
 *	RAM, at the address that uhmm_pfn_addr() gives; a touch by the CPU
 *	invalidates and takes them back.  As make_device_exclusive().
 * @UHMM_FAULT_PRESENT: only what is there: nothing is faulted in or brought
 *	home; entries of what is not there are 0
 */
enum uhmm_fault_flags {
	UHMM_FAULT_WRITE = 1u << 0,
	UHMM_FAULT_EXCLUSIVE = 1u << 1,
	UHMM_FAULT_PRESENT = 1u << 2,
};

/**
 * uhmm_mirror_fault() - fault pages in for the device and enter them
 * @addr, @len: within the mirror
 * @flags: enum uhmm_fault_flags
 *
 * ->map() is called for runs of at most 512 pages, in order, each when it is
 * known to be right.  A page on the mirror's own device stays there; one on
 * another device comes home.  Private anonymous memory is managed from now on.
 * Blocks on devices and on page faults.  On failure the pages before the first
 * that could not be entered are entered.
 *
 * Return: 0; -EINVAL for an unaligned, empty or wrapping range, one outside the
 * mirror or an unknown flag; -EFAULT where nothing is mapped, where the CPU
 * may not read, or where data were lost; -EPERM for a write where the CPU may
 * not; -EOPNOTSUPP for exclusive access to other than private anonymous
 * memory; -EBUSY for exclusive access to a page that is pinned, shared or
 * locked; -ENODEV when the mirror or its device is being removed; -EDEADLK
 * from a callback; -ENOMEM; or what ->map() answered.
 */
int uhmm_mirror_fault(struct uhmm_mirror *mirror, void *addr, size_t len,
		      unsigned flags);

/**
 * uhmm_mirror_snapshot() - what uhmm_mirror_fault() would find
 * @ret_pfns: len / uhmm_page_size() entries: as ->map() gets them, 0 for
 *	what would have to be faulted in or is on another device,
 *	UHMM_PFN_ERROR for what cannot be
 *
 * Changes nothing, and may be stale on return.
 *
 * Return: 0; -EINVAL; -ENODEV; -EDEADLK; -ENOMEM.
 */
int uhmm_mirror_snapshot(struct uhmm_mirror *mirror, const void *addr,
			 size_t len, uhmm_pfn_t *ret_pfns);

/**
 * uhmm_notify_begin() - the program is about to change its mappings
 * @why: UHMM_NOTIFY_UNMAP, _CLEAR or _PROTECT
 *
 * For changes that the kernel does not report, see uhmm_mirror_add(3): every
 * mprotect(2), and all changes of memory that is not private anonymous.
 * Invalidates the range in every mirror; faults of mirrors that cover a part of
 * it wait for uhmm_notify_end(), those of mirrors that are added meanwhile too.
 * Nor is a mapping in the range replaced, by pages that come to be used in
 * place on a coherent device, or leave it.
 * Must not be nested with uhmm_mirror_fault() on the same thread.
 *
 * Return: 0; -EINVAL; -ENOMEM; -EDEADLK from a callback.  On error nothing is
 * announced, and there is nothing to end.
 */
int uhmm_notify_begin(struct uhmm *u, void *addr, size_t len,
		      enum uhmm_notify why);

/**
 * uhmm_notify_end() - the change is done
 * @addr, @len: as given to uhmm_notify_begin()
 *
 * Once for each begin that gave 0, also when the change itself failed.
 *
 * Return: 0; -EINVAL when no change of this range is under way; -EDEADLK from a
 * callback, and the change goes on.
 */
int uhmm_notify_end(struct uhmm *u, void *addr, size_t len);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
