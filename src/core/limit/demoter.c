/* SPDX-License-Identifier: MIT */
/*
 * demoter.c - the demoter: the thread that holds the limit on RAM.
 *
 * The demoter sleeps until a fault or a call passes a margin below the limit.
 * Then it takes the steps of demote.c for each group that is above its limit,
 * and wakes the faults that wait for room.
 */
#include <errno.h>

#include "core/budget/budget.h"
#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/kick.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/limit/demote.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/slot.h"
#include "sys/shared.h"

#define RETRY_NS  (10 * 1000 * 1000)
#define OLD_SHARE 64 /* of the limit, in frames with old data */
#define LOOK_NS	  (1000 * 1000 * 1000)
#define KMOD_NS	  (100 * 1000 * 1000)

static void count_exceeded(struct uhmm *u, struct uhmm_group *g)
{
	count_add(&g->tier[0].exceeded, 1);
	if (group_is_root(g))
		count_add(&u->count.limit_exceeded, 1);
}

static void note_exceeded(struct uhmm *u, struct uhmm_group *g)
{
	count_exceeded(u, g);
	refusal_tell(u, g);
}

/* Pages came home although the limits had no room for them: count that. */
void policy_passed(struct uhmm *u)
{
	for (uint32_t n = 0; n < atomic_load(&u->charge.end); n++) {
		struct uhmm_group *g = charge_nth(u, n);

		if (g && charge_above(g, 0))
			count_exceeded(u, g);
	}
}

/* Frames with old data are the cheapest RAM to give back. */
static void give_up_old(struct uhmm *u, uint64_t least)
{
	if (atomic_load(&u->slots.old) < least)
		return;
	gate_enter(u);
	kept_shed_all(u);
	gate_leave(u);
}

/*
 * While a group is idle no fault waits for its room.  A group that was idle
 * stays so until a step frees a page: a thread that was woken comes back with
 * its fault only when the next look for pages has begun, and would wait again
 * and again.
 */
static void make_room(struct uhmm *u, struct uhmm_group *g)
{
	bool is_root = group_is_root(g);
	int n = 1;

	charge_share_pool(u);
	if (is_root)
		give_up_old(u, charge_limit(g) / OLD_SHARE + 1);
	while (n && charge_above(g, 2) && !u->policy.stop) {
		n = demote_step(u, g);
		if (n <= 0)
			continue;
		atomic_store(&g->idle, 0);
		room_wake(u);
	}
	if (!n && is_root) {
		give_up_old(u, 1);
		slot_trim(u, 0);
	}
	atomic_store(&g->idle, !n && charge_above(g, 0));
	if (charge_is_passed(g) || atomic_load(&g->idle))
		note_exceeded(u, g);
	room_wake(u);
}

/* Return: whether there is a group of which nothing can be demoted. */
static bool serve_all(struct uhmm *u)
{
	bool idle = false;

	if (charge_total(u) <= atomic_load(&u->charge.root.tier[0].limit))
		u->policy.passed_ns = 0;
	for (uint32_t n = 0; n < atomic_load(&u->charge.end); n++) {
		struct uhmm_group *g = charge_nth(u, n);

		if (!g)
			continue;
		if (charge_above(g, 1))
			make_room(u, g);
		else
			atomic_store(&g->idle, 0);
		idle = idle || atomic_load(&g->idle);
	}
	room_wake(u);
	return idle;
}

/*
 * With a budget the demoter wakes up from time to time, to report the pages in
 * use to the other members.
 */
static void sleep_until_kicked(struct policy *p, uint64_t patience)
{
	_Atomic uint32_t *bell = atomic_load(&p->bell);

	if (!atomic_load(bell) && bell == &p->kick)
		sys_futex_wait(bell, 0, patience);
	else if (!atomic_load(bell))
		sys_futex_wait_shared(bell, 0, patience ? patience : LOOK_NS);
	atomic_store(bell, 0);
}

/*
 * Pages that the kernel module has brought home take RAM, and no fault tells of
 * them.  Return: when to look for such pages again, ns, @patience at most.
 */
static uint64_t look_at_kmods(struct uhmm *u, uint64_t patience)
{
	if (!atomic_load(&u->nr_kmods))
		return patience;
	site_look_again(u);
	return patience && patience < KMOD_NS ? patience : KMOD_NS;
}

static void policy_main(void *arg)
{
	struct uhmm *u = arg;
	struct policy *p = &u->policy;
	uint64_t patience = unmanaged_look(u, 0); /* 0: for ever */

	while (!p->stop) {
		bool again;

		sleep_until_kicked(p, patience);
		patience = look_at_kmods(u, dropped_look(u));
		patience = unmanaged_look(u, patience);
		again = balance_begin(u);
		again |= serve_all(u);
		again |= balance_end(u);
		if (again)
			patience = RETRY_NS;
	}
	room_wake(u);
}

int policy_start(struct uhmm *u)
{
	struct policy *p = &u->policy;
	int err = 0;

	sys_mutex_lock(&p->lock);
	if (!p->running) {
		err = sys_thread_start(&p->thread, policy_main, u, -1,
				       "uhmm-demote");
		p->running = !err;
		atomic_store(&u->room.is_made, p->running);
	}
	sys_mutex_unlock(&p->lock);
	return err;
}

static void limit_all_kept(struct uhmm *u)
{
	block_for_each(u, b) {
		if (!atomic_load(&u->slots.nr_keeping))
			break;
		block_lock(b);
		charge_limit_kept(u, b);
		block_unlock(u, b);
	}
}

int policy_limit(struct uhmm_group *g)
{
	uint64_t limit = atomic_load(&g->tier[0].limit);
	struct uhmm *u = g->u;
	int err = 0;

	if (group_is_root(g))
		charge_share_pool(u);
	if (limit)
		limit_all_kept(u);
	if (limit && !u->charge.keep)
		err = policy_start(u);
	policy_kick(u); /* perhaps no fault has to wait any more */
	return err;
}

static int init_budget(struct uhmm *u, uint64_t born_with,
		       struct uhmm_budget *budget)
{
	struct policy *p = &u->policy;

	if (!budget_use(budget, true))
		return -EBUSY;
	p->budget = budget;
	p->born_with = born_with >> MM_PAGE_SHIFT;
	atomic_store(&p->bell, &budget_seat(budget)->kick);
	budget_raise(budget, BUDGET_FLOOR);
	atomic_store(&u->charge.on, true);
	balance_begin(u);
	return policy_limit(&u->charge.root);
}

int policy_init(struct uhmm *u, uint64_t limit, struct uhmm_budget *budget)
{
	struct policy *p = &u->policy;

	p->queue_size = MAX_BLOCKS;
	p->queue = sys_alloc(p->queue_size * sizeof(*p->queue));
	if (!p->queue)
		return -ENOMEM;
	if (budget)
		return init_budget(u, limit, budget);
	if (!limit)
		return 0;
	atomic_store(&u->charge.on, true);
	atomic_store(&u->charge.root.tier[0].limit, limit >> MM_PAGE_SHIFT);
	return policy_limit(&u->charge.root);
}

void policy_stop(struct uhmm *u)
{
	struct policy *p = &u->policy;

	if (!p->running)
		return;
	p->stop = true;
	atomic_store(&u->room.is_made, false);
	policy_kick(u);
	sys_thread_join(&p->thread);
	p->running = false;
}

void policy_destroy(struct uhmm *u)
{
	if (u->policy.budget) {
		budget_leave(u->policy.budget);
		budget_use(u->policy.budget, false);
	}
	sys_free(u->policy.queue,
		 u->policy.queue_size * sizeof(*u->policy.queue));
}
