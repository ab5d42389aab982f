/* SPDX-License-Identifier: MIT */
/* budget_int.h - what members.c and budget.c share */
#ifndef UHMM_BUDGET_BUDGET_INT_H
#define UHMM_BUDGET_BUDGET_INT_H

#include "core/budget/budget.h"
#include "sys/shared.h"

#define BUDGET_MAGIC UINT64_C(0x31746567647562) /* "budget1" */

/*
 * @end: no seat from this index on was ever taken
 * @peak: highest sum of the members' @used
 */
struct budget_shared {
	_Atomic uint64_t magic, total, peak;
	_Atomic uint32_t end, joined;
	uint64_t unused[4];
	struct budget_seat seat[UHMM_BUDGET_MEMBERS];
};

/*
 * @at: index of this process's seat, if @self still has it
 * @self: the process @self.pid, which in a forked child may be the parent
 * @alone: used in place of a seat where no seat is free
 * @reaped_ns: when this member, asked for pages, last looked which have ended
 * @user: pid of the process that has a context with this budget; 0: none
 */
struct uhmm_budget {
	struct budget_shared *shared;
	struct sys_process self;
	_Atomic uint32_t at, user;
	uint64_t reaped_ns;
	struct budget_seat alone;
};

/* The next taken seat at or behind index *@n, or NULL; *@n goes behind it. */
struct budget_seat *budget_next(const struct uhmm_budget *b, uint32_t *n);

/* Sums over all taken seats, in pages. */
struct budget_sums {
	uint64_t granted, used;
	uint32_t members;
};

struct budget_sums budget_sum(const struct uhmm_budget *b);
/* Free the seats of processes that ended. */
void budget_reap(struct uhmm_budget *b);
/* Wake the member's demoter. */
void budget_kick(struct budget_seat *s);

#endif
