/* SPDX-License-Identifier: MIT */
/*
 * lock.c - see lock.h.  The mutex is the third one of Drepper's paper; a waiter
 * that was woken in vain gets it next, as with the kernel's mutex.
 */
#include "sys/lock.h"
#include "sys/cpu.h"
#include "sys/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Most holders leave within a microsecond, and a sleep that needs a wake-up
 * from another CPU costs tens of them on a virtual machine.
 */
enum {
	SPINS = 200
};

static bool spin(struct sys_mutex *m)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t word =
			atomic_load_explicit(&m->word, memory_order_relaxed);

		if (word == 0 && sys_mutex_take_free(m))
			return true;
		if (word > SYS_MUTEX_HELD)
			return false;
		sys_relax();
	}
	return false;
}

/*
 * A waiter's step: true with the lock, else with the word to sleep on.  A
 * thread that unlocks and locks again at once is back long before the waiter
 * that it woke runs: so a waiter that was @woken in vain is owed the lock.
 */
static bool take_mutex(struct sys_mutex *m, bool woken, uint32_t *word)
{
	uint32_t want = woken ? SYS_MUTEX_OWED : SYS_MUTEX_WAITED;

	*word = atomic_load_explicit(&m->word, memory_order_relaxed);
	for (;;) {
		bool mine = !*word || (woken && *word == SYS_MUTEX_RESERVED);
		uint32_t next = mine ? SYS_MUTEX_WAITED : want;

		if (!mine && *word >= next)
			return false;
		if (atomic_compare_exchange_weak_explicit(
			    &m->word, word, next, memory_order_acquire,
			    memory_order_relaxed) &&
		    mine)
			return true;
	}
}

void sys_mutex_lock_slow(struct sys_mutex *m)
{
	uint32_t word;

	if (spin(m))
		return;
	for (bool woken = false; !take_mutex(m, woken, &word); woken = true)
		sys_futex_wait(&m->word, word, 0);
}

static bool lock_unless(struct sys_mutex *m, const _Atomic bool *stop)
{
	const uint64_t patience = 100 * 1000 * 1000;
	bool woken = false;
	uint32_t word;

	if (sys_mutex_take_free(m) || spin(m))
		return true;
	for (; !take_mutex(m, woken, &word); woken = true) {
		if (atomic_load(stop))
			return false;
		sys_futex_wait(&m->word, word, patience);
	}
	return true;
}

bool sys_mutex_lock_unless(struct sys_mutex *m, const _Atomic bool *stop)
{
	bool taken;

	debug_wants(m, sys_mutex_rank(m));
	taken = lock_unless(m, stop);
	if (taken)
		debug_has(m, sys_mutex_rank(m));
	return taken;
}

void sys_mutex_unlock_slow(struct sys_mutex *m)
{
	uint32_t word = atomic_load_explicit(&m->word, memory_order_relaxed);
	uint32_t next;

	do
		next = word == SYS_MUTEX_OWED ? SYS_MUTEX_RESERVED : 0;
	while (!atomic_compare_exchange_weak_explicit(&m->word, &word, next,
						      memory_order_release,
						      memory_order_relaxed));
	if (word != SYS_MUTEX_HELD)
		sys_futex_wake(&m->word, 1);
}

void sys_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		timeout_ns ? &ts : NULL, NULL, 0);
	errno = saved;
}

void sys_rest(unsigned tries, uint64_t ns)
{
	_Atomic uint32_t never = 0;

	if (tries < 50)
		sys_yield();
	else
		sys_futex_wait(&never, 0, ns);
}

void sys_futex_wake(_Atomic uint32_t *word, int nr)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
	errno = saved;
}
