// SPDX-License-Identifier: MIT
/*
 * Locks.  glibc ends the program when futex(2) fails with EFAULT, and the word
 * may leave between its own touch and the kernel's: it is held while a thread
 * may have to wait, and so is the time until when.
 */
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include "calls/calls.h"

FIND(mtx_trylock);
FIND(pthread_mutex_trylock);
FIND(pthread_rwlock_tryrdlock);
FIND(pthread_rwlock_trywrlock);

/* Taken at once, unless another thread has it. */
#define LOCK(name, try, busy, params, args, lock, time) \
	FIND(name);                                     \
	APART int held_##name params                    \
	{                                               \
		int err = REAL(try)(lock);              \
                                                        \
		if (err != (busy))                      \
			return err;                     \
		HOLD(RES(lock), time);                  \
		return REAL(name) args;                 \
	}                                               \
	EXPORT int name params                          \
	{                                               \
		STRAIGHT(REAL(name) args);              \
		return held_##name args;                \
	}

#define TIME const struct timespec *t

LOCK(pthread_mutex_lock, pthread_mutex_trylock, EBUSY, (pthread_mutex_t * m),
     (m), m, NOTHING)
LOCK(pthread_mutex_timedlock, pthread_mutex_trylock, EBUSY,
     (pthread_mutex_t * m, TIME), (m, t), m, ARG(t))
LOCK(pthread_mutex_clocklock, pthread_mutex_trylock, EBUSY,
     (pthread_mutex_t * m, clockid_t clock, TIME), (m, clock, t), m, ARG(t))
LOCK(pthread_rwlock_rdlock, pthread_rwlock_tryrdlock, EBUSY,
     (pthread_rwlock_t * l), (l), l, NOTHING)
LOCK(pthread_rwlock_timedrdlock, pthread_rwlock_tryrdlock, EBUSY,
     (pthread_rwlock_t * l, TIME), (l, t), l, ARG(t))
LOCK(pthread_rwlock_clockrdlock, pthread_rwlock_tryrdlock, EBUSY,
     (pthread_rwlock_t * l, clockid_t clock, TIME), (l, clock, t), l, ARG(t))
LOCK(pthread_rwlock_wrlock, pthread_rwlock_trywrlock, EBUSY,
     (pthread_rwlock_t * l), (l), l, NOTHING)
LOCK(pthread_rwlock_timedwrlock, pthread_rwlock_trywrlock, EBUSY,
     (pthread_rwlock_t * l, TIME), (l, t), l, ARG(t))
LOCK(pthread_rwlock_clockwrlock, pthread_rwlock_trywrlock, EBUSY,
     (pthread_rwlock_t * l, clockid_t clock, TIME), (l, clock, t), l, ARG(t))

/* The mutex is waited for as well, when the condition has come. */
HELD(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m), (c, m),
     RES(c), RES(m))
HELD(int, pthread_cond_timedwait,
     (pthread_cond_t * c, pthread_mutex_t *m, TIME), (c, m, t), RES(c), RES(m),
     ARG(t))
HELD(int, pthread_cond_clockwait,
     (pthread_cond_t * c, pthread_mutex_t *m, clockid_t clock, TIME),
     (c, m, clock, t), RES(c), RES(m), ARG(t))
HELD(int, pthread_cond_signal, (pthread_cond_t * c), (c), RES(c))
HELD(int, pthread_cond_broadcast, (pthread_cond_t * c), (c), RES(c))
HELD(int, pthread_cond_destroy, (pthread_cond_t * c), (c), RES(c))
HELD(int, pthread_barrier_wait, (pthread_barrier_t * b), (b), RES(b))
HELD(int, pthread_barrier_destroy, (pthread_barrier_t * b), (b), RES(b))
HELD(int, pthread_once, (pthread_once_t * once, void (*fn)(void)), (once, fn),
     RES(once))

FIND(sem_trywait);

#define WAIT(name, params, args, time)     \
	FIND(name);                        \
	APART int held_##name params       \
	{                                  \
		int err = errno;           \
                                           \
		if (!REAL(sem_trywait)(s)) \
			return 0;          \
		errno = err;               \
		HOLD(RES(s), time);        \
		return REAL(name) args;    \
	}                                  \
	EXPORT int name params             \
	{                                  \
		STRAIGHT(REAL(name) args); \
		return held_##name args;   \
	}

WAIT(sem_wait, (sem_t * s), (s), NOTHING)
WAIT(sem_timedwait, (sem_t * s, TIME), (s, t), ARG(t))
WAIT(sem_clockwait, (sem_t * s, clockid_t clock, TIME), (s, clock, t), ARG(t))

/* C11's are the same underneath. */
LOCK(mtx_lock, mtx_trylock, thrd_busy, (mtx_t * m), (m), m, NOTHING)
LOCK(mtx_timedlock, mtx_trylock, thrd_busy, (mtx_t * m, TIME), (m, t), m,
     ARG(t))
HELD(int, cnd_wait, (cnd_t * c, mtx_t *m), (c, m), RES(c), RES(m))
HELD(int, cnd_timedwait, (cnd_t * c, mtx_t *m, TIME), (c, m, t), RES(c), RES(m),
     ARG(t))
