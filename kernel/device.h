/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * device.h - the devices of /dev/uhmm: numbers, and how long they live.
 *
 * A device has a reference for the file that added it, for each file that is
 * attached to it, and for its pages together.  The pages' reference is dropped
 * when the device was closed and its last page was freed.  Until then the
 * module cannot be unloaded.
 */
#ifndef UHMMK_DEVICE_H
#define UHMMK_DEVICE_H

#include <linux/kref.h>
#include <linux/workqueue.h>

#include "pagemap.h"
#include "ring.h"

struct uhmmk_device {
	struct uhmmk_pagemap pm;
	struct kref ref;
	u32 id; /* from 1 */
	enum uhmmk_type type;
	struct work_struct end;	   /* drops the reference of the pages */
	struct work_struct rescue; /* of pages that no driver stored */
	atomic64_t out, home;	   /* number of pages that calls moved */
};

/* All devices of this module have one owner, the address of this variable. */
extern char uhmmk_owner[];

int uhmmk_devices_init(void);
void uhmmk_devices_exit(void);

/*
 * Return: a device with a reference for the caller; an error of
 * uhmmk_pagemap_add(); or -EPERM if @phys is not set aside.
 */
struct uhmmk_device *uhmmk_device_add(enum uhmmk_type type,
				      unsigned long npages, phys_addr_t phys);

/* A private device; a driver keeps the data: see uhmmk_ring_add(). */
struct uhmmk_device *uhmmk_device_add_ring(unsigned long npages, u32 slots,
					   u32 timeout_ms);

/* Return: NULL if there is no such device. */
struct uhmmk_device *uhmmk_device_find(u32 id);

void uhmmk_device_put(struct uhmmk_device *d);

/*
 * End a device: uhmmk_device_find() no longer finds it, and its pages go home.
 * Drops the reference of uhmmk_device_add().  Unless pages or files of it are
 * left, its memory can be added again at once.
 */
void uhmmk_device_close(struct uhmmk_device *d);

static inline struct uhmmk_device *uhmmk_page_device(const struct page *page)
{
	return container_of(uhmmk_page_pagemap(page), struct uhmmk_device, pm);
}

/* Does this device page belong to a device of this module? */
bool uhmmk_device_is_ours(const struct page *page);

#endif
