/* SPDX-License-Identifier: MIT */
/* gate.c - moves pass a gate, which a fork(2) and the rescue close; gate.h */
#include "core/fork/gate.h"
#include "core/charge/room.h"
#include "core/context/context.h"

#define GATE_CLOSED (UINT32_C(1) << 31) /* around a fork */
#define GATE_SHUT   (UINT32_C(1) << 30) /* until the end: rescue.c */

void gate_enter(struct uhmm *u)
{
	struct sys_wait w = { .all = &u->waits,
			      .what = "a fork(2), or the rescue, to end" };
	uint32_t v = atomic_load(&u->gate);

	debug_wants(&u->gate, RANK_GATE);
	for (;;) {
		if (v & (GATE_CLOSED | GATE_SHUT)) {
			sys_wait_open(&w, &u->gate, v, 0);
			v = atomic_load(&u->gate);
		} else if (atomic_compare_exchange_weak(&u->gate, &v, v + 1)) {
			break;
		}
	}
	debug_has(&u->gate, RANK_GATE);
	sys_wait_end(&w);
}

bool gate_try(struct uhmm *u)
{
	uint32_t v = atomic_load(&u->gate);

	do {
		if (v & (GATE_CLOSED | GATE_SHUT))
			return false;
	} while (!atomic_compare_exchange_weak(&u->gate, &v, v + 1));
	debug_has(&u->gate, RANK_GATE);
	return true;
}

void gate_leave(struct uhmm *u)
{
	uint32_t v = atomic_fetch_sub(&u->gate, 1);

	debug_lets_go(&u->gate);
	if ((v & ~GATE_SHUT) == (GATE_CLOSED | 1))
		sys_futex_wake(&u->gate, INT32_MAX);
}

void gate_close(struct uhmm *u)
{
	uint32_t v = atomic_fetch_or(&u->gate, GATE_CLOSED) | GATE_CLOSED;
	struct sys_wait w = { .all = &u->waits,
			      .what = "moves under way to end" };

	room_wake(u); /* the demoter will not: it waits at the gate */
	while ((v & ~GATE_SHUT) != GATE_CLOSED) {
		sys_wait_on(&w, &u->gate, v, 0);
		v = atomic_load(&u->gate);
	}
	sys_wait_end(&w);
}

void gate_open(struct uhmm *u)
{
	atomic_fetch_and(&u->gate, ~GATE_CLOSED);
	sys_futex_wake(&u->gate, INT32_MAX);
}

void gate_shut(struct uhmm *u)
{
	atomic_fetch_or(&u->gate, GATE_SHUT);
}

bool gate_is_shut(struct uhmm *u)
{
	return atomic_load_explicit(&u->gate, memory_order_relaxed) &
	       (GATE_SHUT | GATE_CLOSED);
}

void gate_reopen(struct uhmm *u)
{
	atomic_fetch_and(&u->gate, ~GATE_SHUT);
	sys_futex_wake(&u->gate, INT32_MAX);
}
