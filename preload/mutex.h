/* SPDX-License-Identifier: MIT */
/* mutex.h - locks of this library, which nothing between sees: mutex.c */
#ifndef UHMM_PRELOAD_MUTEX_H
#define UHMM_PRELOAD_MUTEX_H

#include <pthread.h>
#include <stdbool.h>

void mutex_lock(pthread_mutex_t *m);
bool mutex_trylock(pthread_mutex_t *m);
void mutex_unlock(pthread_mutex_t *m);
/* In a child, where the thread that may hold it does not live. */
void mutex_reset(pthread_mutex_t *m);

#endif
