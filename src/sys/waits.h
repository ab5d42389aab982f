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
#define SYS_WAIT_CLAIMED UINT64_C(1) /* not a time: the others come now */

/*
 * @since: ns; 0: free, or SYS_WAIT_CLAIMED
 * @waiter, @what, @name: strings that outlive the table
 * @at: an address; 0: none
 * @next: ns of age when it is to be told again; 0: it was not told yet
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
 * @all: NULL: nobody looks
 * @what: goes on "... has been waiting for"
 * @at: the address that belongs to it, or 0; @name: else a name, or NULL
 */
struct sys_wait {
	struct sys_waits *all;
	const char *what;
	uint64_t at;
	const char *name;
	struct sys_wait_slot *slot;
	uint64_t since, next;
};

/* Another round of the loop begins.  The first one enters the table. */
void sys_wait_note(struct sys_wait *w);
/* The same, and sleep while *@word == @value; 0: no timeout. */
void sys_wait_on(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		 uint64_t timeout_ns);
/*
 * The same in a thread that holds no lock: signals that its caller had open are
 * handled meanwhile, as by sys_call_open().
 */
void sys_wait_open(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		   uint64_t timeout_ns);
/* Another round without sleep, as sys_wait_open(). */
void sys_wait_yield(struct sys_wait *w);
void sys_wait_end(struct sys_wait *w);
void sys_wait_lock_slow(struct sys_waits *all, struct sys_mutex *m,
			const char *what, uint64_t at);
/* As sys_mutex_lock(), of a lock that is held over others' work. */
static inline void sys_wait_lock(struct sys_waits *all, struct sys_mutex *m,
				 const char *what, uint64_t at)
{
	debug_wants(m, sys_mutex_rank(m));
	if (!sys_mutex_trylock(m))
		sys_wait_lock_slow(all, m, what, at);
}

/* ---- Calls of the library ---- */

/*
 * @mask: signals that the caller has blocked; @name: of what it is in
 * @opened: ns; when handlers were let run
 */
struct sys_call {
	uint64_t mask, opened;
	const char *name;
	struct sys_call *outer;
	int cancel;
};

/* Signals are blocked until its end.  @name: a string that stays */
void sys_call_begin(struct sys_call *c, const char *name);
void sys_call_end(const struct sys_call *c);
/* The name of the innermost one, or of the thread. */
const char *sys_call_name(void);
/* Without blocking signals.  Return: the former one, or NULL. */
const char *sys_call_rename(const char *name);
void sys_name_thread(const char *name);
/*
 * Between steps, without any lock: handlers run, if the call is 100 ms old and
 * none did for 10 ms.
 */
void sys_call_open(void);

#endif
