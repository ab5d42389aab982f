/* SPDX-License-Identifier: MIT */
/*
 * budget.h - one limit on RAM for several processes; see README.md
 *
 * All figures are in pages, of MM_PAGE_SIZE.  Nothing here waits for another
 * process.  Each function is for the process that attached the budget, or for
 * a forked child, which then takes a seat of its own.
 */
#ifndef UHMM_BUDGET_BUDGET_H
#define UHMM_BUDGET_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uhmm/budget.h>

#define BUDGET_FLOOR 256 /* pages that a process has whatever others have */

/*
 * One member, in memory that all processes share: its contents are not trusted.
 *
 * @state: enum in members.c, and how many times the seat was taken
 * @pid, @began, @space: the process, see struct sys_process
 * @grant: pages that the member may have; the grants of all seats sum up to at
 *	most the total
 * @used: pages that the member had when it last looked
 * @target: other members ask this one to come down to so many pages; 0: none
 *	asks
 * @kick: futex: the member's demoter is to look
 * @taxed: other members ask this one for a part of its grant, if it is idle or
 *	does not use all of it
 */
struct budget_seat {
	_Atomic uint32_t state, pid, kick, taxed;
	_Atomic uint64_t grant, used, target, began, space;
	uint64_t unused;
};

/*
 * The caller's seat, taken first if need be.  The seat may be another one
 * later.
 */
struct budget_seat *budget_seat(struct uhmm_budget *b);

uint64_t budget_total(const struct uhmm_budget *b);
void budget_set_total(struct uhmm_budget *b, uint64_t total);
/*
 * Raise the grant to @want, or by as much as is left.  Never lowers the grant.
 * Return: the grant
 */
uint64_t budget_raise(struct uhmm_budget *b, uint64_t want);
/* Lower the grant to @to, if it is higher. */
void budget_lower(struct uhmm_budget *b, uint64_t to);
/*
 * Has the member come down to its @target, or are as many pages free by now as
 * it was asked for?  Then @target is cleared.
 */
bool budget_settle(struct uhmm_budget *b);
/* The member uses @used pages: tell the other members. */
void budget_note(struct uhmm_budget *b, uint64_t used);
/*
 * The member needs @need pages more than are left.  First free the seats of
 * processes that ended.  Then ask each other member for the pages that it does
 * not use and, if the grant of this member is below a fair share, for those
 * beyond a fair share.
 */
void budget_ask(struct uhmm_budget *b, uint64_t need);
/*
 * @on: a context begins to use @b, or stops using it.  Return: false if another
 *	context of this process uses @b.
 */
bool budget_use(struct uhmm_budget *b, bool on);
/* Do all members together use more than the total, by more than @slack? */
bool budget_is_passed(struct uhmm_budget *b, uint64_t slack);
/* Has the caller less than an equal part for each member? */
bool budget_is_poor(struct uhmm_budget *b);
/* Give up the seat of this process.  Other members may have its grant. */
void budget_leave(struct uhmm_budget *b);

#endif
