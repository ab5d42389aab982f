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
 * @faulting: it may be in a fault itself
 * @freed: futex: room was made
 * @throttled: faults that wait; under @lock
 */
struct room {
	_Atomic bool is_made;
	_Atomic uint32_t faulting;
	_Atomic uint32_t freed;
	struct sys_mutex lock;
	uintptr_t throttled[MAX_THROTTLED];
	unsigned nr_throttled;
};

/* Should a fault in @b wait for room?  Then room_wake() will come. */
bool room_is_full(struct uhmm *u, const struct block *b);
bool room_throttle(struct uhmm *u, struct block *b, unsigned i, unsigned flags);
/* Wait for room for what comes home to @b, for as long as there is hope. */
void room_make_way(struct uhmm *u, struct block *b);
/* Room was made, or nobody has to wait for it. */
void room_wake(struct uhmm *u);

#endif
