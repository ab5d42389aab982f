// SPDX-License-Identifier: MIT
/*
 * Mutexes that the kernel touches by itself.
 *
 * When a thread ends, the kernel walks the robust mutexes that the thread holds
 * and marks them.  The kernel also takes and hands on mutexes that lend their
 * priority.  There it waits for no away page, in any mode: an owner's death
 * would not be seen, or the C library would end the program.  So the pages of
 * these mutexes stay in RAM: from when a mutex is made, or from the start of
 * management if the mutex is older.
 *
 * The table is read and changed without a lock.  An entry is the address of a
 * mutex, and a bit that says whether the mutex is pinned.  Only the thread that
 * makes or destroys a mutex changes the address.  A mutex is pinned once: by
 * the start of management, which manage.c's lock keeps apart from other pins,
 * or by the thread that made the mutex.  Of the two the second finds the bit
 * set, and takes its pin back.
 */
#include <pthread.h>

#include "preload.h"
#include "real.h"

#define NR	4096 /* more mutexes than that stay pinned for good */
#define FREED	((uintptr_t)2)
#define PINNED	((uintptr_t)1)
#define SPECIAL (16 | 32) /* robust, priority protocol: glibc's bits */

static _Atomic uintptr_t table[NR];

static bool is_special(const pthread_mutex_t *m)
{
	return m->__data.__kind > 0 && m->__data.__kind & SPECIAL;
}

static struct range pages_of(uintptr_t mutex)
{
	return (struct range){ page_down(mutex),
			       page_up(mutex + sizeof(pthread_mutex_t)) };
}

static size_t first_of(uintptr_t mutex)
{
	return mutex / 8 * UINT64_C(0x9e3779b97f4a7c15) >> 52;
}

/* NULL: @mutex is not in the table. */
static _Atomic uintptr_t *find_mutex(uintptr_t mutex)
{
	for (size_t i = 0, at = first_of(mutex); i < NR; i++, at++) {
		uintptr_t v = atomic_load(&table[at % NR]);

		if ((v & ~PINNED) == mutex)
			return &table[at % NR];
		if (!v)
			break;
	}
	return NULL;
}

/* NULL: the table is full. */
static _Atomic uintptr_t *insert(uintptr_t mutex)
{
	for (size_t i = 0, at = first_of(mutex); i < NR; i++, at++) {
		uintptr_t v = atomic_load(&table[at % NR]);

		while (!v || v == FREED)
			if (atomic_compare_exchange_weak(&table[at % NR], &v,
							 mutex))
				return &table[at % NR];
	}
	return NULL;
}

static void add_mutex(const pthread_mutex_t *m)
{
	uintptr_t mutex = (uintptr_t)m;
	struct range pages = pages_of(mutex);
	_Atomic uintptr_t *entry = find_mutex(mutex);

	if (!entry)
		entry = insert(mutex);
	else if (atomic_load(entry) & PINNED)
		return;
	if (manage_pin(pages.start, pages.end, true) || !entry)
		return;
	/* The start of management may have pinned the mutex meanwhile. */
	if (!atomic_compare_exchange_strong(entry, &mutex, mutex | PINNED))
		manage_pin(pages.start, pages.end, false);
}

static void forget_mutex(const pthread_mutex_t *m)
{
	_Atomic uintptr_t *entry = find_mutex((uintptr_t)m);
	struct range pages = pages_of((uintptr_t)m);

	if (!entry)
		return;
	if (atomic_exchange(entry, FREED) & PINNED)
		manage_pin(pages.start, pages.end, false);
}

void robust_pin(int (*pin)(uintptr_t start, uintptr_t end))
{
	for (size_t i = 0; i < NR; i++) {
		uintptr_t v = atomic_load(&table[i]) & ~PINNED;
		struct range pages = pages_of(v);

		if (!v || v == FREED)
			continue;
		if (!pin(pages.start, pages.end))
			atomic_compare_exchange_strong(&table[i], &v,
						       v | PINNED);
	}
}

void robust_forked(void)
{
	for (size_t i = 0; i < NR; i++)
		atomic_fetch_and(&table[i], ~PINNED);
}

/* ---- The functions ------------------------------------------------------ */

FIND(pthread_mutex_init);
FIND(pthread_mutex_destroy);

EXPORT int pthread_mutex_init(pthread_mutex_t *m,
			      const pthread_mutexattr_t *attr)
{
	int err = REAL(pthread_mutex_init)(m, attr);

	if (unlikely(!err && attr && is_special(m) && manage_is_on()))
		add_mutex(m);
	return err;
}

EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	bool special = is_special(m);
	int err = REAL(pthread_mutex_destroy)(m);

	if (unlikely(!err && special))
		forget_mutex(m);
	return err;
}

int __pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);
int __pthread_mutex_destroy(pthread_mutex_t *m);

EXPORT int __pthread_mutex_init(pthread_mutex_t *m,
				const pthread_mutexattr_t *attr)
	ALIAS_OF(pthread_mutex_init);
EXPORT int __pthread_mutex_destroy(pthread_mutex_t *m)
	ALIAS_OF(pthread_mutex_destroy);
