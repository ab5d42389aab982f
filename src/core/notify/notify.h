/* SPDX-License-Identifier: MIT */
/*
 * notify.h - mirrors are told what changes; a mirror itself is in mirror.h, and
 * its life and faults in mirror_api.h.
 */
#ifndef UHMM_NOTIFY_NOTIFY_H
#define UHMM_NOTIFY_NOTIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/mirror.h>

#include "core/page/slab.h"
#include "mm/mm.h"
#include "sys/lock.h"
#include "sys/waits.h"

struct block;
struct mm_set;
struct uhmm;

#define MAX_MIRRORS 256 /* number 0 is none */

/*
 * @users: futex: threads that hold the mirror
 * @taken: the number is in use, until a removal has ended; under mirrors.lock
 * @call: the callback that is under way; under the mirror's lock
 */
struct mirror_slot {
	struct sys_wait_slot call;
	_Atomic(struct uhmm_mirror *) mirror;
	_Atomic uint32_t users;
	bool taken;
};

struct mirrors {
	struct sys_mutex lock;	/* adding and removing, also changes */
	struct change *changes; /* announced changes under way */
	struct slab slab;
	_Atomic uint32_t count; /* 0: there is no mirror */
	_Atomic uint32_t end;	/* no number from here on was ever used */
	struct mirror_slot slot[MAX_MIRRORS];
};

/* notify.c */
/*
 * Have devices forget [start, end), after the words were marked and before the
 * pages are copied.  May block on devices.  Without a block's lock.
 */
void mirror_invalidate(struct uhmm *u, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why);
/*
 * mirror_invalidate() for the addresses from the first to the last page of
 * @set.
 */
void mirror_invalidate_set(struct uhmm *u, const struct block *b,
			   const struct mm_set *set, enum uhmm_notify why);
/* Does a mirror cover @addr? */
bool mirror_covers(struct uhmm *u, uintptr_t addr);

#endif
