/* SPDX-License-Identifier: MIT */
/* budget_int.h - what members.c and budget.c share */
#ifndef UHMM_BUDGET_BUDGET_INT_H
#define UHMM_BUDGET_BUDGET_INT_H

#include "core/budget/budget.h"
#include "sys/shared.h"

#define BUDGET_MAGIC UINT64_C(0x31746567647562) /* "budget1" */

/*
 * @end: no seat from here on was ever taken
 * @peak: of the sum of what members use
 */
struct budget_shared {
	_Atomic uint64_t magic, total, peak;
	_Atomic uint32_t end, joined;
	uint64_t unused[4];
	struct budget_seat seat[UHMM_BUDGET_MEMBERS];
};

/*
 * @at: index of our seat, if that is still ours
 * @self: of the process @self.pid, which may be the parent
 * @alone: in its place where there is no free seat
 * @user: process that has a context with it; 0: none
 */
struct uhmm_budget {
	struct budget_shared *shared;
	struct sys_process self;
	_Atomic uint32_t at, user;
	struct budget_seat alone;
};

/* The next taken seat from @n on, or NULL.  @n: then the index behind it. */
struct budget_seat *budget_next(const struct uhmm_budget *b, uint32_t *n);

/* Of all taken seats; pages. */
struct budget_sums {
	uint64_t granted, used;
	uint32_t members;
};

struct budget_sums budget_sum(const struct uhmm_budget *b);
/* Seats of processes that ended are free again. */
void budget_reap(struct uhmm_budget *b);
/* Have the member's demoter look. */
void budget_kick(struct budget_seat *s);

#endif
