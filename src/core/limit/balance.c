/* SPDX-License-Identifier: MIT */
/*
 * balance.c - a limit that is a part of a budget (core/budget): the demoter
 * claims more pages, and gives back pages that other members ask for.
 *
 * The limit of the root is the number of pages that this process may have now.
 * To give pages back, the demoter lowers the limit first, then demotes, and
 * lowers the grant last, so that all members together stay within the total.
 */
#include "core/budget/budget.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/limit/demote.h"

#define ASK_NS	(10 * 1000 * 1000)  /* between two times of asking */
#define IDLE_NS (100 * 1000 * 1000) /* without a fault: the process is idle */
#define STEP	32		    /* of the total: claimed ahead of need */
#define TAX	8		    /* of the grant: given when idle */

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * The pages that the limit counts.  Pages that a forked child shares with its
 * parent do not count: they take RAM only once, and cannot be demoted while
 * they are shared.
 */
static uint64_t used(const struct uhmm *u)
{
	uint64_t all = u->flags & UHMM_OPEN_LIMIT_ALL ?
			       charge_total(u) :
			       charge_pages(&u->charge.root, 0);

	return all > u->policy.born_with ? all - u->policy.born_with : 0;
}

static void set_limit(struct uhmm *u, uint64_t pages)
{
	_Atomic uint64_t *limit = &u->charge.root.tier[0].limit;

	pages = at_least(pages, BUDGET_FLOOR) + u->policy.born_with;
	if (atomic_load(limit) == pages)
		return;
	atomic_store(limit, pages);
	charge_share_pool(u);
}

/*
 * How many pages to claim ahead: the demoter starts within twice as many pages
 * below the limit (held.c).
 */
static uint64_t ahead(uint64_t grant)
{
	return at_least(grant / 16, BUDGET_FLOOR / 2);
}

static bool may_ask(struct policy *p)
{
	uint64_t now = sys_now_ns();

	if (now - p->asked_ns < ASK_NS)
		return false;
	p->asked_ns = now;
	return true;
}

/* Return: whether the process wants more pages than it got. */
static bool claim_budget(struct uhmm *u, uint64_t has)
{
	struct uhmm_budget *b = u->policy.budget;
	uint64_t grant = atomic_load(&budget_seat(b)->grant);
	uint64_t need = has + ahead(grant);

	if (need <= grant)
		return false;
	grant = budget_raise(b, need + budget_total(b) / STEP);
	if (grant >= need)
		return false;
	if (may_ask(&u->policy))
		budget_ask(b, need - grant);
	return true;
}

static uint64_t touches(struct uhmm *u)
{
	return atomic_load(&u->count.faults) +
	       atomic_load(&u->count.soft_faults) +
	       atomic_load(&u->count.zero_faults);
}

/* Has no thread touched a page that was away or parked, for IDLE_NS? */
static bool is_context_idle(struct uhmm *u)
{
	struct policy *p = &u->policy;
	uint64_t now = sys_now_ns(), n = touches(u);

	if (n == p->touches)
		return now - p->touched_ns >= IDLE_NS;
	p->touches = n;
	p->touched_ns = now;
	return false;
}

static void pay_tax(struct uhmm *u, struct budget_seat *s, uint64_t has)
{
	uint64_t grant = atomic_load(&s->grant), none = 0;
	uint64_t enough = has + ahead(grant);

	if (enough < grant)
		budget_lower(u->policy.budget, enough);
	else if (is_context_idle(u))
		atomic_compare_exchange_strong(&s->target, &none,
					       at_least(grant - grant / TAX,
							BUDGET_FLOOR));
}

bool balance_begin(struct uhmm *u)
{
	struct uhmm_budget *b = u->policy.budget;
	struct budget_seat *s;
	uint64_t has, target;
	bool wants = false;

	if (!b)
		return false;
	s = budget_seat(b);
	atomic_store(&u->policy.bell, &s->kick);
	has = used(u);
	budget_note(b, has);
	if (atomic_exchange(&s->taxed, 0))
		pay_tax(u, s, has);
	target = atomic_load(&s->target);
	if (!target)
		wants = claim_budget(u, has);
	set_limit(u, target ? target : atomic_load(&s->grant));
	return wants;
}

bool balance_end(struct uhmm *u)
{
	struct uhmm_budget *b = u->policy.budget;
	struct budget_seat *s;
	uint64_t target;

	if (!b)
		return false;
	s = budget_seat(b);
	target = atomic_load(&s->target);
	if (!target)
		return false;
	budget_lower(b, at_least(target, used(u)));
	return !budget_settle(b);
}

void balance_total(struct uhmm *u, uint64_t pages)
{
	budget_set_total(u->policy.budget, pages ? pages : UINT64_MAX / 2);
}
