/* SPDX-License-Identifier: MIT */
/* mirror_api.h - bodies of the public calls of mirrors, and their end. */
#ifndef UHMM_MIRROR_MIRROR_API_H
#define UHMM_MIRROR_MIRROR_API_H

#include <stddef.h>
#include <stdint.h>

#include <uhmm/mirror.h>

struct uhmm;

/* mirror_life.c */
int do_mirror_add(struct uhmm_mirror *m);
int do_mirror_remove(struct uhmm_mirror *m);
/* The mirrors of a device that is gone are of no use any more. */
void mirror_device_gone(struct uhmm_device *dev);
void mirror_destroy(struct uhmm *u);

/* mirror_fault.c */
int do_mirror_fault(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		    unsigned flags);
int do_mirror_snapshot(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		       uhmm_pfn_t *ret);

/* announce.c */
void announce_init(struct uhmm *u);
void announce_destroy(struct uhmm *u);
/* A new mirror; the caller holds mirrors.lock. */
void announce_added(struct uhmm_mirror *m);
/* mm_client.is_announced */
bool announce_has(void *priv, uintptr_t start, uintptr_t end);
int do_notify_begin(struct uhmm *u, uintptr_t addr, size_t len,
		    enum uhmm_notify why);
int do_notify_end(struct uhmm *u, uintptr_t addr, size_t len);

#endif
