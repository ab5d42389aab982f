// SPDX-License-Identifier: MIT
/*
 * mutex.c - locks of this library.
 *
 * A name that this library exports is bound to this library, any other one to
 * the first library that has it.  So pthread_mutex_lock() here would be ours
 * and pthread_mutex_unlock() perhaps that of a sanitizer in the program, which
 * has seen no lock.  All of these functions are the C library's.
 */
#include "mutex.h"

#include <sched.h>

#include "preload.h"
#include "real.h"
#include "signals.h"

#define TRIES 1000

FIND(pthread_mutex_lock);
FIND(pthread_mutex_trylock);
FIND(pthread_mutex_unlock);

void mutex_lock(pthread_mutex_t *m)
{
	REAL(pthread_mutex_lock)(m);
}

bool mutex_trylock(pthread_mutex_t *m)
{
	return !REAL(pthread_mutex_trylock)(m);
}

bool mutex_try_long(pthread_mutex_t *m)
{
	for (int tries = 0; tries < TRIES; tries++) {
		if (mutex_trylock(m))
			return true;
		sched_yield();
	}
	return false;
}

void mutex_unlock(pthread_mutex_t *m)
{
	REAL(pthread_mutex_unlock)(m);
}

void mutex_lock_quiet(pthread_mutex_t *m, sigset_t *before)
{
	sigset_t old;

	masks_block_all(&old);
	mutex_lock(m);
	*before = old;
}

bool mutex_try_quiet(pthread_mutex_t *m, sigset_t *before)
{
	sigset_t old;

	masks_block_all(&old);
	if (!mutex_try_long(m)) {
		masks_restore(&old);
		return false;
	}
	*before = old;
	return true;
}

void mutex_unlock_quiet(pthread_mutex_t *m, const sigset_t *before)
{
	const sigset_t old = *before;
	int err = errno;

	mutex_unlock(m);
	masks_restore(&old);
	errno = err;
}

void mutex_reset(pthread_mutex_t *m)
{
	*m = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
