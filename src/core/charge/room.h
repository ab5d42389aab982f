/* SPDX-License-Identifier: MIT */
/* room.h - faulting threads that wait until there is room in RAM: room.c */
#ifndef UHMM_CHARGE_ROOM_H
#define UHMM_CHARGE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/lock.h"

struct block;
struct uhmm;

#define MAX_THROTTLED 256

/*
 * @is_made: the demoter runs
 * @faulting: the demoter may be waiting for a fault of its own
 * @freed: futex: room was made
 * @throttled: addresses of faults that wait; under @lock
 */
struct room {
	_Atomic bool is_made;
	_Atomic uint32_t faulting;
	_Atomic uint32_t freed;
	struct sys_mutex lock;
	uintptr_t throttled[MAX_THROTTLED];
	unsigned nr_throttled;
};

/* Should a fault in @b wait for room?  If so, room_wake() will be called. */
bool room_is_full(struct uhmm *u, const struct block *b);
bool room_throttle(struct uhmm *u, struct block *b, unsigned i, unsigned flags);
/*
 * Wait for room for pages that come home to @b, while the demoter can make
 * some.
 */
void room_make_way(struct uhmm *u, struct block *b);
/* Room was made, or no fault has to wait any more: wake those that wait. */
void room_wake(struct uhmm *u);

#endif
