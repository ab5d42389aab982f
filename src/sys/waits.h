/* SPDX-License-Identifier: MIT */
/*
 * waits.h - waits that may be long: a table of which thread waits, for what,
 * and since when, in which a watchdog finds those that do not end.
 *
 * A loop that waits for somebody else takes a struct sys_wait, notes each round
 * and ends it.  A loop that does not wait never calls: so that costs nothing.
 *
 *	struct sys_wait w = { .all = &u->waits, .what = "fork(2) to end" };
 *
 *	while (is_closed(u))
 *		sys_wait_on(&w, &word, seen, 0);
 *	sys_wait_end(&w);
 *
 * Calls of the library run with signals blocked.  A thread that holds no lock
 * lets its caller's handlers run in between, see sys_wait_open().
 */
#ifndef UHMM_SYS_WAITS_H
#define UHMM_SYS_WAITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/lock.h"

/* ---- The table ---- */

#define SYS_NR_WAITS	 64
#define SYS_WAIT_CLAIMED UINT64_C(1) /* a thread is filling in the entry */

/*
 * @since: ns; 0: free, or SYS_WAIT_CLAIMED
 * @waiter, @what, @name: strings that outlive the table
 * @at: an address; 0: none
 * @next: age in ns at which the wait is reported again; 0: never reported yet
 */
struct sys_wait_slot {
	_Alignas(64) _Atomic uint64_t since;
	_Atomic(const char *) waiter, what, name;
	_Atomic uint64_t at, next;
	_Atomic int tid;
};

struct sys_waits {
	struct sys_wait_slot slot[SYS_NR_WAITS];
};

/* ---- Waiting ---- */

/*
 * @all: the table; NULL: no watchdog sees the wait
 * @what: continues the message "... has been waiting for"
 * @at: the address that the thread waits for, or 0
 * @name: the name of a device or mirror that it waits for, or NULL
 */
struct sys_wait {
	struct sys_waits *all;
	const char *what;
	uint64_t at;
	const char *name;
	struct sys_wait_slot *slot;
	uint64_t since, next;
};

/* Call in each round of the loop; the first call enters @w in the table. */
void sys_wait_note(struct sys_wait *w);
/* sys_wait_note(), then sleep while *@word == @value.  0: no timeout. */
void sys_wait_on(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		 uint64_t timeout_ns);
/*
 * As sys_wait_on(), for a thread that holds no lock: signals that its caller
 * had not blocked are handled meanwhile, as by sys_call_open().
 */
void sys_wait_open(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		   uint64_t timeout_ns);
/* As sys_wait_open(), but give up the CPU instead of sleeping. */
void sys_wait_yield(struct sys_wait *w);
void sys_wait_end(struct sys_wait *w);
void sys_wait_lock_slow(struct sys_waits *all, struct sys_mutex *m,
			const char *what, uint64_t at);
/* sys_mutex_lock() of a lock that may be held for long. */
static inline void sys_wait_lock(struct sys_waits *all, struct sys_mutex *m,
				 const char *what, uint64_t at)
{
	debug_wants(m, sys_mutex_rank(m));
	if (!sys_mutex_trylock(m))
		sys_wait_lock_slow(all, m, what, at);
}

/* ---- Calls of the library ---- */

/*
 * @mask: the signals that the caller had blocked
 * @opened: ns; when signal handlers could last run
 * @name: the name of the outer call, or NULL
 */
struct sys_call {
	uint64_t mask, opened;
	const char *name;
	struct sys_call *outer;
	int cancel;
};

/* Block signals until sys_call_end().  @name: a string literal */
void sys_call_begin(struct sys_call *c, const char *name);
void sys_call_end(const struct sys_call *c);
/* The name of the innermost call, or of the thread outside any. */
const char *sys_call_name(void);
/* Set the name alone.  Return: the former name, or NULL. */
const char *sys_call_rename(const char *name);
void sys_name_thread(const char *name);
/*
 * Let signal handlers run, if the call is 100 ms old and none could run for
 * 10 ms.  Caller holds no lock.
 */
void sys_call_open(void);

#endif
