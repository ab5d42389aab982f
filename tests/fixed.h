/* SPDX-License-Identifier: MIT */
/*
 * fixed.h - a device with memory that takes no part in migration: a part of a
 * file that the test maps by itself.
 */
#ifndef UHMM_TEST_FIXED_H
#define UHMM_TEST_FIXED_H

#include <errno.h>

#include <uhmm/provider.h>

#include "test.h"

/* Never called: its pages do not move. */
static int test_no_copy(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	(void)priv;
	(void)seg;
	(void)nr;
	return -EIO;
}

/* Of @npages from byte @offset of the file @fd. */
static inline struct uhmm_device *test_fixed(struct uhmm *u, int fd,
					     uint64_t offset, uint64_t npages)
{
	static const struct uhmm_device_ops ops = {
		.size = sizeof(ops),
		.copy_to_devmem = test_no_copy,
		.copy_to_ram = test_no_copy,
	};
	struct uhmm_device_desc desc = {
		.size = sizeof(desc),
		.name = "fixed",
		.type = UHMM_MEMORY_DEVICE_COHERENT,
		.flags = UHMM_DEVICE_FIXED,
		.npages = npages,
		.ops = &ops,
		.fd = fd,
		.offset = offset,
	};
	struct uhmm_device *dev;

	CHECK_EQ(uhmm_device_add(u, &desc, NULL, &dev), 0);
	return dev;
}

#endif
