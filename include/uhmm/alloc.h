/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - memory that is on a device from the start.  See uhmm_alloc(3).
 *
 * Device-coherent memory is written by the CPU where it is, and read there by
 * the device: no copy is ever made.  Device-private memory begins as zeroes on
 * the device, without a copy either, and comes home where the CPU touches it.
 */
#ifndef UHMM_ALLOC_H
#define UHMM_ALLOC_H

#include <uhmm/uhmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * uhmm_alloc() - new memory, managed, and on a device as far as that has room
 * @len: bytes; rounded up to whole pages
 * @dev: NULL: in RAM, when touched
 * @ret_p: zeroes, private; aligned to 2 MiB from that size on.  To be given
 *	back by uhmm_free() or munmap(2), in one piece or several
 *
 * Pages for which the device has no room, or their charge group, are in RAM
 * when they are touched; uhmm_range_pages() tells how many are where.  Blocks
 * on the device's clear().
 *
 * Return: 0; -EINVAL for no length, a device of another context or one that is
 * UHMM_DEVICE_FIXED; -ENOMEM; -ENODEV; -EDEADLK from a callback.
 */
int uhmm_alloc(struct uhmm *u, size_t len, struct uhmm_device *dev,
	       void **ret_p);

/**
 * uhmm_free() - give memory back, and what it holds on devices
 * @p: NULL does nothing
 * @len: as given to uhmm_alloc()
 *
 * Return: 0; -EINVAL for an unaligned, empty or wrapping range.
 */
int uhmm_free(struct uhmm *u, void *p, size_t len);

/**
 * uhmm_prefer() - advice: what was never touched begins on a device
 * @addr: any private anonymous memory, as for uhmm_migrate()
 *
 * As uhmm_migrate(), but for pages that hold nothing yet; the others stay
 * where they are.  So malloc(3) and this make the first touch of
 * device-coherent memory land on the device.
 *
 * Return: pages of the range that are on the device now; or the errors of
 * uhmm_migrate().
 */
ssize_t uhmm_prefer(struct uhmm *u, void *addr, size_t len,
		    struct uhmm_device *dev);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
