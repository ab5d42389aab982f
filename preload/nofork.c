// SPDX-License-Identifier: MIT
/*
 * Memory that the program keeps from its children, by MADV_DONTFORK.
 *
 * Where the kernel does not tell of forks, libuhmm uses this advice itself: all
 * managed memory has it except during a fork(2), so the first fork would end
 * the program's own advice.  The program's advice is remembered here, and given
 * again when libuhmm is ready for the fork.
 *
 * The lock is held during a fork, and over calls that change mappings or advice
 * in the list.  The holder has blocked all signals, as a handler could fork.
 * The holder waits for no thread that could wait for the lock: it takes no lock
 * of manage.c, and calls no function of libuhmm, where a fork makes callers
 * wait.
 */
#include <pthread.h>
#include <signal.h>

#include "mutex.h"
#include "preload.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ranges list;   /* under the lock */
static _Atomic bool is_used; /* @list was ever used */
static sigset_t before_fork; /* the forking thread's mask; under the lock */

/* ---- What the program does ---------------------------------------------- */

int nofork_advise(uintptr_t start, uintptr_t end, int advice)
{
	bool noted;
	sigset_t old;
	int ret = -1;

	mutex_lock_quiet(&lock, &old);
	if (advice == MADV_DONTFORK) {
		atomic_store(&is_used, true);
		noted = ranges_add(&list, start, end);
	} else {
		noted = ranges_remove(&list, start, end);
	}
	if (noted)
		ret = sys_madvise((void *)start, end - start, advice);
	else
		errno = ENOMEM;
	mutex_unlock_quiet(&lock, &old);
	return ret;
}

void nofork_forget(uintptr_t start, uintptr_t end)
{
	sigset_t old;

	if (!atomic_load(&is_used) || start >= end)
		return;
	mutex_lock_quiet(&lock, &old);
	ranges_remove(&list, start, end);
	mutex_unlock_quiet(&lock, &old);
}

/* The part that a mapping has grown by gets the advice of its old end. */
static void resize(uintptr_t start, size_t old_len, size_t len)
{
	if (len < old_len)
		ranges_remove(&list, start + len, start + old_len);
	else if (len > old_len && ranges_hit(&list, start + old_len - 1))
		ranges_add(&list, start + old_len, start + len);
}

static void move(uintptr_t from, uintptr_t to, size_t len)
{
	uintptr_t at = from;
	struct range r;

	ranges_remove(&list, to, to + len);
	while (ranges_next(&list, at, &r) && r.start < from + len) {
		at = r.start > at ? r.start : at;
		if (r.end > from + len)
			r.end = from + len;
		ranges_add(&list, at - from + to, r.end - from + to);
		at = r.end;
	}
}

void *nofork_remap(void *old, size_t old_len, size_t len, int flags,
		   void *target)
{
	bool keeps = !old_len || (flags & MREMAP_DONTUNMAP);
	uintptr_t from = (uintptr_t)old;
	sigset_t mask;
	void *p;

	if (!atomic_load(&is_used))
		return (void *)syscall(SYS_mremap, old, old_len, len, flags,
				       target);
	mutex_lock_quiet(&lock, &mask);
	p = (void *)syscall(SYS_mremap, old, old_len, len, flags, target);
	old_len = page_up(old_len);
	len = page_up(len);
	if (p != MAP_FAILED && p != old) {
		move(from, (uintptr_t)p, old_len < len ? old_len : len);
		if (!keeps)
			ranges_remove(&list, from, from + old_len);
	}
	if (p != MAP_FAILED)
		resize((uintptr_t)p, old_len, len);
	mutex_unlock_quiet(&lock, &mask);
	return p;
}

/* ---- fork(2) ------------------------------------------------------------ */

void nofork_prepare(void)
{
	mutex_lock_quiet(&lock, &before_fork);
	for (size_t i = 0; i < list.nr; i++)
		sys_madvise((void *)list.list[i].start,
			    list.list[i].end - list.list[i].start,
			    MADV_DONTFORK);
}

void nofork_child(void (*gone)(uintptr_t start, uintptr_t end))
{
	for (size_t i = 0; i < list.nr; i++)
		gone(list.list[i].start, list.list[i].end);
	ranges_remove(&list, 0, UINTPTR_MAX);
	atomic_store(&is_used, false);
}

void nofork_end(void)
{
	mutex_unlock_quiet(&lock, &before_fork);
}
