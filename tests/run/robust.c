// SPDX-License-Identifier: MIT
/*
 * robust [PART...]: what the kernel touches when a thread ends, in memory that
 * would be away by then: mutexes that are robust or lend their priority, which
 * their owner has not let go, and what the C library keeps at the end of a
 * stack.  The next owner is told, and nobody waits for ever.
 */
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "memory.h"

#define NR  200
#define LEN MIB /* less is not managed */

static sem_t ready, go;

static void take(sem_t *s)
{
	while (sem_wait(s))
		CHECK(errno == EINTR);
}

static void make(pthread_mutex_t *m, int robust, int protocol)
{
	pthread_mutexattr_t attr;

	CHECK(!pthread_mutexattr_init(&attr));
	CHECK(!pthread_mutexattr_setrobust(&attr, robust));
	CHECK(!pthread_mutexattr_setprotocol(&attr, protocol));
	CHECK(!pthread_mutex_init(m, &attr));
	CHECK(!pthread_mutexattr_destroy(&attr));
}

static int lock_soon(pthread_mutex_t *m)
{
	struct timespec t;

	CHECK(!clock_gettime(CLOCK_REALTIME, &t));
	t.tv_sec += 20;
	return pthread_mutex_timedlock(m, &t);
}

static void heir(pthread_mutex_t *m)
{
	CHECK(lock_soon(m) == EOWNERDEAD);
	CHECK(!pthread_mutex_consistent(m) && !pthread_mutex_unlock(m));
	CHECK(!lock_soon(m) && !pthread_mutex_unlock(m));
}

/* Mutexes in pages of their own. */
struct mutexes {
	size_t nr;
	char *pages;
};

static pthread_mutex_t *at(const struct mutexes *all, size_t i)
{
	return (pthread_mutex_t *)(all->pages + i * PAGE + i % 8 * 64);
}

static void *owner(void *arg)
{
	const struct mutexes *all = arg;

	for (size_t i = 0; i < all->nr; i++)
		CHECK(!pthread_mutex_lock(at(all, i)));
	CHECK(!sem_post(&ready));
	take(&go);
	return NULL;
}

static void start_owner(pthread_t *t, struct mutexes *all)
{
	CHECK(!sem_init(&ready, 0, 0) && !sem_init(&go, 0, 0));
	CHECK(!pthread_create(t, NULL, owner, all));
	take(&ready);
}

static void end_owner(pthread_t t)
{
	push();
	push();
	CHECK(!sem_post(&go) && !pthread_join(t, NULL));
}

static void inherit(size_t nr, int protocol)
{
	struct mutexes all = { nr, map(LEN) };
	pthread_t t;

	for (size_t i = 0; i < nr; i++)
		make(at(&all, i), PTHREAD_MUTEX_ROBUST, protocol);
	push();
	start_owner(&t, &all);
	end_owner(t);
	for (size_t i = 0; i < nr; i++)
		heir(at(&all, i));
	for (size_t i = 0; i < nr; i++)
		CHECK(!pthread_mutex_destroy(at(&all, i)));
	CHECK(!munmap(all.pages, LEN));
}

/* Made, and locked, before anything is managed. */
static void early(void)
{
	struct mutexes all = { 1, malloc(MIB) };
	pthread_t t;

	CHECK(all.pages);
	make(at(&all, 0), PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	start_owner(&t, &all);
	end_owner(t);
	heir(at(&all, 0));
	CHECK(!pthread_mutex_destroy(at(&all, 0)));
	free(all.pages);
}

static void one(void)
{
	inherit(1, PTHREAD_PRIO_NONE);
}

static void many(void)
{
	inherit(NR, PTHREAD_PRIO_NONE);
}

static void lent(void)
{
	inherit(3, PTHREAD_PRIO_INHERIT);
}

/* ---- Waiting ------------------------------------------------------------- */

static void *waiter(void *m)
{
	CHECK(!sem_post(&ready));
	CHECK(lock_soon(m) == EOWNERDEAD);
	CHECK(!pthread_mutex_consistent(m) && !pthread_mutex_unlock(m));
	return NULL;
}

/* Another thread waits already when the owner ends. */
static void waiting(void)
{
	struct mutexes all = { 2, map(LEN) };
	pthread_t t, w[2];

	make(at(&all, 0), PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	make(at(&all, 1), PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
	push();
	start_owner(&t, &all);
	for (size_t i = 0; i < 2; i++) {
		CHECK(!pthread_create(&w[i], NULL, waiter, at(&all, i)));
		take(&ready);
	}
	end_owner(t);
	CHECK(!pthread_join(w[0], NULL) && !pthread_join(w[1], NULL));
	CHECK(!munmap(all.pages, LEN));
}

static void in_child_too(void *unused)
{
	alarm(60);
	one();
}

/* In a child, a mutex that its parent made. */
static void child_inherits(void *arg)
{
	pthread_t t;

	alarm(60);
	start_owner(&t, arg);
	end_owner(t);
	heir(at(arg, 0));
}

static void children(void)
{
	struct mutexes all = { 1, map(LEN) };

	make(at(&all, 0), PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	push();
	CHECK(in_child(in_child_too, NULL) == 0);
	CHECK(in_child(child_inherits, &all) == 0);
	CHECK(!lock_soon(at(&all, 0)) && !pthread_mutex_unlock(at(&all, 0)));
	CHECK(!munmap(all.pages, LEN));
}

/* ---- Stacks -------------------------------------------------------------- */

static void *wait_to_end(void *unused)
{
	CHECK(!sem_post(&ready));
	take(&go);
	return unused;
}

static void stacks(void)
{
	size_t len = 512 * 1024;
	pthread_attr_t attr;
	char *stack = map(MIB);
	pthread_t t;

	CHECK(!sem_init(&ready, 0, 0) && !sem_init(&go, 0, 0));
	CHECK(!pthread_attr_init(&attr));
	CHECK(!pthread_attr_setstack(&attr, stack + len, len));
	for (int i = 0; i < 20; i++) {
		CHECK(!pthread_create(&t, &attr, wait_to_end, NULL));
		take(&ready);
		push();
		CHECK(!sem_post(&go) && !pthread_join(t, NULL));
	}
	CHECK(!munmap(stack, MIB));
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "early", early },	{ "one", one },
		{ "many", many },	{ "lent", lent },
		{ "waiting", waiting }, { "children", children },
		{ "stacks", stacks },
	};

	return RUN_PARTS(parts, argc, argv);
}
