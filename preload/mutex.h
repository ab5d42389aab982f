/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - this library's locks, taken by libc's own functions: no wrapper of
 * ours, nor of another preloaded library, is called.  See mutex.c.
 */
#ifndef UHMM_PRELOAD_MUTEX_H
#define UHMM_PRELOAD_MUTEX_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

void mutex_lock(pthread_mutex_t *m);
bool mutex_trylock(pthread_mutex_t *m);
void mutex_unlock(pthread_mutex_t *m);
/*
 * For signal handlers too: the interrupted thread may hold the lock, so waiting
 * for it is bounded.
 */
bool mutex_try_long(pthread_mutex_t *m);
/*
 * Lock with all signals blocked: a handler that ran in the holder's thread and
 * took the lock would wait for ever.  @before: the holder's signal mask, stored
 * under the lock.  mutex_unlock_quiet() keeps errno.
 */
void mutex_lock_quiet(pthread_mutex_t *m, sigset_t *before);
void mutex_unlock_quiet(pthread_mutex_t *m, const sigset_t *before);
/* Likewise, but as mutex_try_long(); nothing is changed when that fails. */
bool mutex_try_quiet(pthread_mutex_t *m, sigset_t *before);
/* In a forked child, where the lock's holder does not exist. */
void mutex_reset(pthread_mutex_t *m);

#endif
