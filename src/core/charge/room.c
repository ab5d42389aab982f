/* SPDX-License-Identifier: MIT */
/*
 * room.c - faulting threads that wait until there is room in RAM.
 *
 * Such a thread waits for the demoter's next step (limit/demote.c).  No thread
 * waits if no step can come: if nothing of the group can be demoted, or while
 * the gate is shut.
 */
#include "core/charge/room.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/kick.h"
#include "core/context/stats.h"
#include "core/fork/gate.h"
#include "core/page/block.h"
#include "core/page/page.h"

#define RETRY_NS (10 * 1000 * 1000)

void room_wake(struct uhmm *u)
{
	struct room *p = &u->room;
	uintptr_t list[MAX_THROTTLED];
	unsigned n;

	sys_mutex_lock(&p->lock);
	n = p->nr_throttled;
	memcpy(list, p->throttled, n * sizeof(*list));
	p->nr_throttled = 0;
	sys_mutex_unlock(&p->lock);
	while (n)
		u->mm->ops->wake(u->mm, list[--n], 1);
	atomic_fetch_add(&p->freed, 1);
	sys_futex_wake(&p->freed, INT32_MAX);
}

/* Is the limit reached, and can the demoter make room? */
bool room_is_full(struct uhmm *u, const struct block *b)
{
	if (!atomic_load(&u->room.is_made) || gate_is_shut(u) ||
	    atomic_load(&u->room.faulting))
		return false;
	for (struct uhmm_group *g = charge_of(u, b); g; g = g->parent)
		if (charge_above(g, 0) && !atomic_load(&g->idle))
			return true;
	return false;
}

static bool wait_for_room(struct uhmm *u, const struct block *b)
{
	for (int i = 0; i < 500 && room_is_full(u, b); i++) {
		uint32_t seen = atomic_load(&u->room.freed);

		policy_kick(u);
		if (room_is_full(u, b))
			sys_futex_wait(&u->room.freed, seen, RETRY_NS);
	}
	return false;
}

bool room_throttle(struct uhmm *u, struct block *b, unsigned i, unsigned flags)
{
	struct room *p = &u->room;
	bool wait;

	if (!room_is_full(u, b))
		return false;
	count_add(&u->count.limit_waits, 1);
	if (flags & MM_FAULT_MAY_BLOCK)
		return wait_for_room(u, b);
	sys_mutex_lock(&p->lock);
	wait = room_is_full(u, b) && p->nr_throttled < MAX_THROTTLED;
	if (wait)
		p->throttled[p->nr_throttled++] = b->va + i * MM_PAGE_SIZE;
	sys_mutex_unlock(&p->lock);
	policy_kick(u);
	return wait;
}

static bool has_away(struct uhmm *u, struct block *b)
{
	bool has;

	block_lock(b);
	has = b->nr[P_DEVICE];
	block_unlock(u, b);
	return has;
}

void room_make_way(struct uhmm *u, struct block *b)
{
	if (b && room_is_full(u, b) && has_away(u, b)) {
		count_add(&u->count.limit_waits, 1);
		wait_for_room(u, b);
	}
}
