/* SPDX-License-Identifier: MIT */
/*
 * lock.h - locks and waits on futex words, usable in signal handlers as long
 * as the holder never faults (the rule everywhere in uhmm: managed memory is
 * not touched under a lock).
 */
#ifndef UHMM_LOCK_H
#define UHMM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/debug.h"
#include "sys/guard.h"

/*
 * @SYS_MUTEX_OWED: held, and a woken waiter found the lock taken again
 * @SYS_MUTEX_RESERVED: unlocked, and only a waiter that has slept may take it
 */
enum {
	SYS_MUTEX_FREE,
	SYS_MUTEX_HELD,
	SYS_MUTEX_WAITED,
	SYS_MUTEX_OWED,
	SYS_MUTEX_RESERVED
};

struct IS_LOCK sys_mutex {
	_Atomic uint32_t word;
#if DEBUG_CHECKS
	enum sys_rank rank;
#endif
};

static inline enum sys_rank sys_mutex_rank(const struct sys_mutex *m)
{
#if DEBUG_CHECKS
	return m->rank;
#else
	(void)m;
	return RANK_NONE;
#endif
}

/* Call before the first use. */
static inline void sys_mutex_set_rank(struct sys_mutex *m, enum sys_rank rank)
{
#if DEBUG_CHECKS
	m->rank = rank;
#else
	(void)m;
	(void)rank;
#endif
}

void sys_mutex_lock_slow(struct sys_mutex *m);
void sys_mutex_unlock_slow(struct sys_mutex *m);

static inline bool sys_mutex_take_free(struct sys_mutex *m)
{
	uint32_t free = SYS_MUTEX_FREE;

	return atomic_compare_exchange_strong_explicit(&m->word, &free,
						       SYS_MUTEX_HELD,
						       memory_order_acquire,
						       memory_order_relaxed);
}

static inline bool sys_mutex_trylock(struct sys_mutex *m)
{
	bool taken = sys_mutex_take_free(m);

	if (taken)
		debug_has(m, sys_mutex_rank(m));
	return taken;
}

static inline void sys_mutex_lock(struct sys_mutex *m)
{
	debug_wants(m, sys_mutex_rank(m));
	if (!sys_mutex_take_free(m))
		sys_mutex_lock_slow(m);
	debug_has(m, sys_mutex_rank(m));
}

/*
 * Lock @m while holding another lock of the same rank.  Only one thread at a
 * time may do so, or two could wait for each other.
 */
static inline void sys_mutex_lock_second(struct sys_mutex *m)
{
	debug_wants(m, (enum sys_rank)(sys_mutex_rank(m) + 1));
	if (!sys_mutex_take_free(m))
		sys_mutex_lock_slow(m);
	debug_has(m, sys_mutex_rank(m));
}

/*
 * As sys_mutex_lock(), but return false within 0.1 s once *@stop is true.  No
 * thread may use the lock after *@stop was set.
 */
bool sys_mutex_lock_unless(struct sys_mutex *m, const _Atomic bool *stop);

static inline void sys_mutex_unlock(struct sys_mutex *m)
{
	uint32_t held = SYS_MUTEX_HELD;

	debug_lets_go(m);
	if (!atomic_compare_exchange_strong_explicit(&m->word, &held, 0,
						     memory_order_release,
						     memory_order_relaxed))
		sys_mutex_unlock_slow(m);
}

/* In the child of a fork(2), where the lock's holder does not exist. */
static inline void sys_mutex_reset(struct sys_mutex *m)
{
	debug_forget(m);
	atomic_store(&m->word, SYS_MUTEX_FREE);
}

/* Sleep while *@word == @value; spurious returns happen.  0: no timeout. */
void sys_futex_wait(_Atomic uint32_t *word, uint32_t value,
		    uint64_t timeout_ns);
void sys_futex_wake(_Atomic uint32_t *word, int nr);
/*
 * Call between two attempts.  @tries: how many failed so far.  The first 50
 * times give up the CPU; from then on sleep for @ns.
 */
void sys_rest(unsigned tries, uint64_t ns);
/* Where a thread that changes the address space is waited for. */
#define SYS_REST_NS (100 * 1000)

#endif
