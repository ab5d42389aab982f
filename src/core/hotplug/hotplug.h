/* SPDX-License-Identifier: MIT */
/* hotplug.h - devices come, go, and fail. */
#ifndef UHMM_HOTPLUG_HOTPLUG_H
#define UHMM_HOTPLUG_HOTPLUG_H

#include <stdint.h>

struct uhmm;
struct uhmm_device;
struct uhmm_device_desc;

/*
 * uhmm_device_add() of a file: its pages are read, and go back to it by the
 * core's own ways only.
 */
int device_add_file(struct uhmm *u, const struct uhmm_device_desc *desc,
		    void *priv, struct uhmm_device **ret_dev);
/* hotplug.c: bodies of public calls, and the end of all devices */
int do_remove(struct uhmm_device *dev);
void device_retire_all(struct uhmm *u);
void device_free_all(struct uhmm *u);

/* lost.c */
/* Also the hook uhmm.lose_device. */
int do_lost(struct uhmm_device *dev);
int do_failed(struct uhmm_device *dev, uint64_t dpfn, uint64_t n);
/* Poison all pages on a lost device.  Return: how many. */
uint64_t lost_sweep(struct uhmm_device *dev);

#endif
