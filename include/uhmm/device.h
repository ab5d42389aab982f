/* SPDX-License-Identifier: MIT */
/*
 * device.h - devices as their users see them: opened, removed, lost, looked at.
 *
 * A part of uhmm.h, which says what holds for every call.  To write a device,
 * see <uhmm/provider.h>.
 */
#ifndef UHMM_DEVICE_H
#define UHMM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct uhmm;
struct uhmm_device; /* a pagemap, and the provider that copies its pages */

/**
 * uhmm_device_open() - make a device from a specification
 * @spec: "[WRAPPER[(key=value,...)]/...]PROVIDER[:SIZE][,key=value]...", as
 *	"ram:1G", "zram:4G,level=1" or "delay(us=50)/ram:64M"; see uhmm(7)
 * @ret_dev: valid until uhmm_device_remove() or uhmm_close()
 *
 * Return: 0; -EINVAL for a malformed specification, size or option (the log
 * says which); -ENOENT for an unknown provider; -ENOSPC for more than 255
 * devices; -ENOMEM when the size exceeds what the machine can back; or what
 * the provider answered.
 */
int uhmm_device_open(struct uhmm *u, const char *spec,
		     struct uhmm_device **ret_dev);

/**
 * uhmm_device_remove() - evict every page, then remove the device
 *
 * Return: 0; -EBUSY when a page could not be evicted: the device stays as it
 * is, though nothing new is placed there.
 */
int uhmm_device_remove(struct uhmm_device *dev);

/**
 * uhmm_device_tier() - may pages be demoted to a device for the limit on RAM?
 *
 * From the start private devices may be used for that, and coherent ones not:
 * those hold what was placed there by name, and nothing else.
 *
 * Return: 0; -EINVAL.
 */
int uhmm_device_tier(struct uhmm_device *dev, bool on);

/**
 * uhmm_device_lost() - the device is gone, without warning
 *
 * From now on the only callback of the provider is release(), made when the
 * callbacks under way have ended.  A page that had its only copy on the device
 * is poisoned: a touch raises SIGBUS.  A page on its way to the device is
 * mapped again from RAM.  A thread that waits for a poisoned page gets SIGBUS
 * at once, also while the device's callbacks hang: uhmm_device_lost() waits for
 * none of them, and touches nothing of the device.
 *
 * @dev stays valid, and keeps its number, until uhmm_device_remove() (which
 * waits for the callbacks) or uhmm_close().  May be called at any time and by
 * any thread, also while @dev is being removed; a second call does nothing.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP for a NUMA node, which is the kernel's;
 * -EDEADLK from a callback; -ENOMEM on a managed stack.
 */
int uhmm_device_lost(struct uhmm_device *dev);

/**
 * uhmm_device_failed() - pages of the device have lost their data
 * @dpfn, @n: the device pages
 *
 * A page that is stored there is poisoned, unless RAM still has a good copy:
 * that copy becomes the page.  The device pages are never handed out again.
 * Everything else on the device goes on.
 *
 * Blocks while a page changes its address, not on the device.
 *
 * Return: 0; -EINVAL when @dev has no such pages; -EOPNOTSUPP for a NUMA
 * node; -ENODEV when the device is lost or removed; -ENOMEM, and nothing
 * changed; -EDEADLK from a callback.
 */
int uhmm_device_failed(struct uhmm_device *dev, uint64_t dpfn, uint64_t n);

/**
 * struct uhmm_device_info - what a device is and holds
 * @size: set by the caller
 * @id: its number in a uhmm_pfn_t, 1..255
 * @npages: capacity, pages
 * @used: device pages handed out
 * @stored_bytes: memory the provider really uses for them; 0 if it cannot tell
 * @pages_in: pages ever copied to it
 * @pages_out: pages ever copied from it
 * @errors: callbacks that failed
 * @name: as in the specification, truncated
 * @failed: pages that are never handed out again
 * @stuck: calls that the watchdog has reported and that have not ended
 * @longest_ns: the longest that such a call took, or has taken so far
 * @lost: 1 after uhmm_device_lost()
 */
struct uhmm_device_info {
	size_t size;
	uint32_t id;
	uint32_t flags;
	uint64_t npages;
	uint64_t used;
	uint64_t stored_bytes;
	uint64_t pages_in;
	uint64_t pages_out;
	uint64_t errors;
	char name[32];
	uint64_t failed;
	uint64_t stuck;
	uint64_t longest_ns;
	uint64_t lost;
};

/**
 * uhmm_device_query() - fill in @ret_info
 *
 * Return: 0, -EINVAL, -E2BIG, or -ENODEV in the child of a fork(2).
 */
int uhmm_device_query(struct uhmm_device *dev,
		      struct uhmm_device_info *ret_info);

/* ---- Memory and accesses that nobody else can tell of -------------------- */

/**
 * uhmm_device_map() - a mapping of the application is memory of the device
 * @dev: one that is UHMM_DEVICE_FIXED
 * @addr, @len: where the application has mapped desc.fd, MAP_SHARED
 * @dpfn: the device page at @addr; the others follow
 *
 * The range is counted as on the device, listed, and mirrored by dpfn on the
 * device's own mirrors; no page of it is migrated.  It costs the CPU nothing,
 * for the kernel is not asked to watch it: so tell uhmm_device_unmap() or
 * uhmm_notify_begin() before it is unmapped.  uhmm_device_remove() ends it too.
 *
 * Return: 0; -EINVAL for an unaligned, empty or wrapping range, pages that are
 * none of the device's, or a device that is not fixed; -ENOMEM when a part is
 * unmapped; -ENXIO when something else is mapped there; -EBUSY when a part is
 * managed or told already; -ENODEV when the device is lost or removed; -EDEADLK
 * from a callback.
 */
int uhmm_device_map(struct uhmm_device *dev, void *addr, size_t len,
		    uint64_t dpfn);

/**
 * uhmm_device_unmap() - undo uhmm_device_map(), for all of a range or a part
 *
 * Mirrors have forgotten it on return.
 *
 * Return: 0; -EINVAL when a part is not mapped so; -ENOMEM; -EDEADLK from a
 * callback.  On error nothing changed.
 */
int uhmm_device_unmap(struct uhmm_device *dev, void *addr, size_t len);

/**
 * uhmm_device_accessed() - report that a device touched a range of late
 * @dev: the device; nothing else sees its accesses
 * @count: accesses; also 0, which does nothing
 *
 * Placement policy reads the counts: memory that a device uses is not cold.
 * The call is cheap, does not block and may be made in callbacks.
 *
 * Return: 0; -EINVAL for an unaligned or wrapping range.
 */
int uhmm_device_accessed(struct uhmm_device *dev, const void *addr, size_t len,
			 uint32_t count);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
