/* SPDX-License-Identifier: MIT */
/*
 * demote.h - the limit on RAM: the thread that sends pages away, and the
 * faulting threads that wait for room.
 */
#ifndef UHMM_LIMIT_DEMOTE_H
#define UHMM_LIMIT_DEMOTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limit/thrash.h"
#include "core/limit/unmanaged.h"
#include "sys/lock.h"
#include "sys/sys.h"

struct block;
struct uhmm;
struct uhmm_budget;
struct uhmm_device;
struct uhmm_group;

/*
 * @kick: futex: policy_kick()
 * @bell: the futex in use in its place, if other processes wake the demoter
 * too: balance.c
 */
struct policy {
	_Atomic uint32_t kick;
	_Atomic(_Atomic uint32_t *) bell;
	struct sys_mutex lock;
	uint32_t hand;	 /* next of uhmm.blocks to look at */
	uint32_t *queue; /* parked blocks, oldest first: a ring */
	uint32_t queue_head, queue_len, queue_size;
	uint64_t parked;	   /* pages parked, about */
	uint32_t poor, poor_until; /* gain.c */
	bool gained;		   /* gain.c: it freed RAM to send pages */
	uint32_t sink_hand;	   /* tier.c: next of uhmm.blocks to look at */
	uint64_t sink_after;	   /* tier.c: ns */
	_Atomic uint32_t nr_cold;  /* blocks with cold pages: advise.c */
	uint32_t cold_hand;	   /* next of uhmm.blocks to look at */
	struct uhmm_budget *budget;
	uint64_t born_with; /* pages of a child that count for its parent */
	struct thrash thrash;
	struct unmanaged unmanaged;
	uint64_t asked_ns, touches, touched_ns; /* balance.c */
	struct sys_thread thread;
	_Atomic bool running, stop, told; /* @told: the limit is passed */
	uint64_t passed_ns;		  /* since when, or 0: refuse.c */
};

/*
 * demoter.c.  With a @budget, @limit is the number of pages that a forked child
 * was born with.
 */
int policy_init(struct uhmm *u, uint64_t limit, struct uhmm_budget *budget);
/* The RAM limit of a group changed. */
int policy_start(struct uhmm *u);
int policy_limit(struct uhmm_group *g);
void policy_passed(struct uhmm *u);
void policy_stop(struct uhmm *u);
void policy_destroy(struct uhmm *u);
/* demote.c: one step.  Return: pages freed, 0 when nothing is left to do. */
int policy_step(struct uhmm *u);
/*
 * One step for @g.  Return: as policy_step(); -EAGAIN when it parked pages, and
 * there is more to do.
 */
int demote_step(struct uhmm *u, const struct uhmm_group *g);
/* balance.c: before and after making room.  Return: look again soon */
bool balance_begin(struct uhmm *u);
bool balance_end(struct uhmm *u);
/* Set the total of the budget; 0: no limit. */
void balance_total(struct uhmm *u, uint64_t pages);
/*
 * tier.c, only for the demoter: the first device that takes pages of @b now, or
 * NULL.  tier_make_room() sends pages of a full device to one below for that;
 * the caller is in the gate, and holds no lock.
 */
struct uhmm_device *tier_with_room(struct uhmm *u, const struct block *b);
struct uhmm_device *tier_make_room(struct uhmm *u, const struct block *b);
/* gain.c, only for the demoter.  Would sending pages of @b to @dev free RAM? */
bool gain_expected(const struct block *b, const struct uhmm_device *dev);
/* Should a few pages of @b go first? */
bool gain_is_doubtful(const struct block *b, const struct uhmm_device *dev);
/*
 * @pages of @b went to a device, which took @grew bytes of RAM to store them.
 */
void gain_note(struct uhmm *u, struct block *b, unsigned pages, int64_t grew);
/* Any thread: is that hardly any RAM, where the limit is for all of it? */
bool gain_is_poor(const struct uhmm *u, unsigned pages, int64_t grew);

#endif
