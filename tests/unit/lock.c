// SPDX-License-Identifier: MIT
/*
 * A thread that waits for a lock gets it, though the lock's holder takes the
 * lock again at once.
 */
#include <pthread.h>

#include "../test.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define SPURNED 10

static struct sys_mutex lock;
static _Atomic int turns, done;
static int value;

static void *waiter(void *arg)
{
	(void)arg;
	while (!atomic_load(&done)) {
		sys_mutex_lock(&lock);
		value++;
		sys_mutex_unlock(&lock);
		atomic_fetch_add(&turns, 1);
		while (atomic_load(&turns) & 1)
			sys_yield();
	}
	return NULL;
}

/* Let go of the lock and take it again, until the waiter has lost a race. */
static bool spurn(void)
{
	while (!(atomic_load(&turns) & 1)) {
		if (atomic_load(&lock.word) == SYS_MUTEX_OWED)
			return true;
		if (atomic_load(&lock.word) == SYS_MUTEX_WAITED) {
			sys_mutex_unlock(&lock);
			sys_mutex_lock(&lock);
		}
		sys_yield();
	}
	return false;
}

/* The waiter is owed the lock: a try gets it only after the waiter. */
static void pay(int before)
{
	sys_mutex_unlock(&lock);
	while (!sys_mutex_trylock(&lock))
		sys_yield();
	CHECK_EQ(value, before + 1);
}

int main(void)
{
	pthread_t thread;
	int spurned = 0;

	sys_mutex_lock(&lock);
	CHECK_EQ(pthread_create(&thread, NULL, waiter, NULL), 0);
	while (spurned < SPURNED) {
		int before = value;

		if (spurn()) {
			spurned++;
			pay(before);
		}
		while (!(atomic_load(&turns) & 1))
			sys_yield();
		CHECK_EQ(value, before + 1);
		atomic_store(&done, spurned == SPURNED);
		atomic_fetch_add(&turns, 1);
	}
	sys_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	return 0;
}
