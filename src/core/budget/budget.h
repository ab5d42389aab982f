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
 * One member, in memory that all share: anything may be in it.
 *
 * @state: enum in members.c, and how often the seat was taken
 * @pid, @began, @space: the process, see struct sys_process
 * @grant: what it may have; the sum over all seats is at most the total
 * @used: what it had when it last looked
 * @target: others ask it to be content with so much; 0: they do not
 * @kick: futex: it is to look
 * @taxed: others ask it to give a part, if it does not use that
 */
struct budget_seat {
	_Atomic uint32_t state, pid, kick, taxed;
	_Atomic uint64_t grant, used, target, began, space;
	uint64_t unused;
};

/* The member that @b is, as of now; its seat may become another. */
struct budget_seat *budget_seat(struct uhmm_budget *b);

uint64_t budget_total(const struct uhmm_budget *b);
void budget_set_total(struct uhmm_budget *b, uint64_t total);
/*
 * Have @want, or what is left of it.  Never less than before.  Return: what the
 * member has now
 */
uint64_t budget_raise(struct uhmm_budget *b, uint64_t want);
/* Be content with @to. */
void budget_lower(struct uhmm_budget *b, uint64_t to);
/* Has it given what it was asked for? */
bool budget_settle(struct uhmm_budget *b);
/* It has @used: for the others to know. */
void budget_note(struct uhmm_budget *b, uint64_t used);
/*
 * There was too little left, by @need.  Those that ended lose what they had;
 * members that have more than their fair share are asked to give, if this one
 * has less; others are asked what they do not use.
 */
void budget_ask(struct uhmm_budget *b, uint64_t need);
/* A context is to use it, or does not any more.  False: another one does. */
bool budget_use(struct uhmm_budget *b, bool on);
/* Do all members together use more than the total, by more than @slack? */
bool budget_is_passed(struct uhmm_budget *b, uint64_t slack);
/* The process leaves: what it has is free for others. */
void budget_leave(struct uhmm_budget *b);

#endif
