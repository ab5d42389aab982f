/* SPDX-License-Identifier: MIT */
/* mutex.h - locks of this library, which nothing between sees: mutex.c */
#ifndef UHMM_PRELOAD_MUTEX_H
#define UHMM_PRELOAD_MUTEX_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

void mutex_lock(pthread_mutex_t *m);
bool mutex_trylock(pthread_mutex_t *m);
void mutex_unlock(pthread_mutex_t *m);
/*
 * The same with all signals blocked: a handler of the holder would wait for its
 * own thread.  @before: under the lock, what the holder had blocked.
 * errno stays.
 */
void mutex_lock_quiet(pthread_mutex_t *m, sigset_t *before);
void mutex_unlock_quiet(pthread_mutex_t *m, const sigset_t *before);
/* In a child, where the thread that may hold it does not live. */
void mutex_reset(pthread_mutex_t *m);

#endif
