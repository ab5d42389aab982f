// SPDX-License-Identifier: MIT
/*
 * Who waits for a lock gets it, though its holder takes it again at once.
 */
#include <pthread.h>

#include "../test.h"
#include "sys/lock.h"
#include "sys/sys.h"

enum {
	TAKES = 200,
	HOLD_NS = 20000,
	WAITERS = 3
};

static struct sys_mutex lock;
static _Atomic bool done, held;
static uint64_t takes[WAITERS], value;

static void hold(void)
{
	uint64_t end = sys_now_ns() + HOLD_NS;

	while (sys_now_ns() < end)
		;
}

static void *waiter(void *arg)
{
	uint64_t *n = arg;

	while (*n < TAKES) {
		while (!atomic_load(&held))
			;
		sys_mutex_lock(&lock);
		value++;
		sys_mutex_unlock(&lock);
		++*n;
	}
	return NULL;
}

static void *greedy(void *arg)
{
	uint64_t *rounds = arg;

	while (!atomic_load(&done)) {
		sys_mutex_lock(&lock);
		atomic_store(&held, true);
		hold();
		value++;
		CHECK(++*rounds < 32 * TAKES * WAITERS);
		atomic_store(&held, false);
		sys_mutex_unlock(&lock);
	}
	return NULL;
}

/* Nobody waits for more than a few of the holder's rounds. */
int main(void)
{
	pthread_t holder, thread[WAITERS];
	uint64_t rounds = 0;

	CHECK_EQ(pthread_create(&holder, NULL, greedy, &rounds), 0);
	for (int i = 0; i < WAITERS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, waiter, &takes[i]),
			 0);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&done, true);
	pthread_join(holder, NULL);
	CHECK_EQ(value, rounds + WAITERS * TAKES);
	return 0;
}
