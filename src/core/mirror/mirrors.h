/* SPDX-License-Identifier: MIT */
/*
 * mirrors.h - what the rest of the core asks of mirrors; a mirror itself is in
 * mirror.h.
 */
#ifndef UHMM_MIRROR_MIRRORS_H
#define UHMM_MIRROR_MIRRORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/mirror.h>

#include "mm/mm.h"
#include "sys/lock.h"
#include "sys/waits.h"

struct block;
struct mm_set;
struct uhmm;

#define MAX_MIRRORS 256 /* number 0 is none */

/*
 * @users: futex; @taken: until a removal has ended; under mirrors.lock
 * @call: the callback that is under way; by the mirror's lock
 */
struct mirror_slot {
	struct sys_wait_slot call;
	_Atomic(struct uhmm_mirror *) mirror;
	_Atomic uint32_t users;
	bool taken;
};

struct mirrors {
	struct sys_mutex lock;	/* adding and removing */
	_Atomic uint32_t count; /* 0: nobody has to be told anything */
	_Atomic uint32_t end;	/* no number from here on was ever used */
	struct mirror_slot slot[MAX_MIRRORS];
};

/* mirror.c */
/*
 * Devices forget [start, end) before what was marked goes on.  May block on
 * devices; not with a block locked.
 */
void mirror_invalidate(struct uhmm *u, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why);
/* The same for what @set spans in a block. */
void mirror_invalidate_set(struct uhmm *u, const struct block *b,
			   const struct mm_set *set, enum uhmm_notify why);
/* Is there any that covers the page? */
bool mirror_covers(struct uhmm *u, uintptr_t addr);
/* Its mirrors are of no use any more. */
void mirror_device_gone(struct uhmm_device *dev);
int do_mirror_add(struct uhmm_mirror *m);
int do_mirror_remove(struct uhmm_mirror *m);
void mirror_destroy(struct uhmm *u);

/* mirror_fault.c */
int do_mirror_fault(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		    unsigned flags);
int do_mirror_snapshot(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		       uhmm_pfn_t *ret);
int do_notify(struct uhmm *u, uintptr_t addr, size_t len, enum uhmm_notify why);

/* exclusive.c: a CPU touch.  @b locked, unlocked on return. */
enum mm_outcome exclusive_fault(struct uhmm *u, struct block *b, unsigned i);

#endif
