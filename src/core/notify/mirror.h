/* SPDX-License-Identifier: MIT */
/*
 * mirror.h - devices' page tables that are kept equal to the CPU's.
 *
 * DOC: Mark, invalidate, do
 *
 * A thread that takes a page from its place changes the page's word first,
 * under the block's lock.  Then it tells the mirrors, with the block unlocked,
 * and only then it copies.  A fault of a mirror reads @seq before it looks at
 * words, and enters what it found under @lock only if @seq is still the same.
 * So the fault sees the changed word, or sees @seq change and tries again, or
 * its entry is invalidated afterwards.
 *
 * Lock order: @lock, then a block's.  @lock is held over the mirror's
 * callbacks, and is never taken with a block locked.
 */
#ifndef UHMM_NOTIFY_MIRROR_H
#define UHMM_NOTIFY_MIRROR_H

#include <uhmm/mirror.h>

#include "core/context/context.h"

/*
 * @start, @end: the addresses that the mirror covers
 * @seq: counts invalidations; written under @lock, read without
 * @changing: announced changes under way in its range (uhmm_notify_begin());
 *	changes under mirrors.lock; futex
 * @gone: the mirror's device is gone; the mirror can only be removed
 */
struct uhmm_mirror {
	struct uhmm *u;
	unsigned id;
	uintptr_t start, end;
	struct uhmm_device *dev;
	struct uhmm_mirror_ops ops;
	void *priv;
	struct sys_mutex lock;
	_Atomic uint64_t seq;
	_Atomic uint32_t changing;
	_Atomic bool gone;
};

/*
 * Hold the mirror with number @id, so that it stays while it is used.  NULL:
 * there is none.
 */
struct uhmm_mirror *mirror_hold(struct uhmm *u, unsigned id);
void mirror_put(struct uhmm *u, unsigned id);
/* Invalidate [start, end) in @m.  Without a block's lock. */
void mirror_tell(struct uhmm_mirror *m, uintptr_t start, uintptr_t end,
		 enum uhmm_notify why);

void mirror_lock(struct uhmm_mirror *m);
/* Call the mirror's map().  Caller holds m->lock. */
int mirror_map(struct uhmm_mirror *m, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages);

#endif
