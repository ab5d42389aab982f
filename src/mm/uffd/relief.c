/* SPDX-License-Identifier: MIT */
/*
 * relief.c - another handler thread, when all of them wait for a device
 * that does not answer.
 *
 * One sleeps in reserve from the start: to make a thread may need memory that
 * the application has migrated, and so a handler.  The next one is made when it
 * has gone to work.
 */
#include "mm/uffd/uffd.h"

static void spare(void *arg)
{
	struct uffd *b = arg;
	uint32_t mine = atomic_fetch_add(&b->relief.spares, 1), called;

	while ((called = atomic_load(&b->relief.called)) <= mine)
		sys_futex_wait(&b->relief.called, called, 0);
	uffd_handler(b);
}

int uffd_relief_start(struct uffd *b)
{
	int ret;

	ret = sys_thread_start(&b->threads[b->nr_threads], spare, b, -1,
			       "uhmm-fault");
	if (!ret)
		b->nr_threads++;
	return ret;
}

static bool all_serve(struct uffd *b)
{
	unsigned nr = b->nr_threads - 1; /* without the one in reserve */

	return atomic_load(&b->relief.serving) >= nr;
}

void uffd_relieve(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);
	uint32_t called = atomic_load(&b->relief.called);

	if (mm->is_inline || !all_serve(b) || called == UFFD_SPARES)
		return;
	if (atomic_load(&b->relief.spares) <= called)
		return; /* none could be made */
	atomic_fetch_add(&b->relief.called, 1);
	sys_futex_wake(&b->relief.called, INT32_MAX);
	if (called + 1 < UFFD_SPARES)
		uffd_relief_start(b);
}

/* The threads in reserve go to work, find @stop_fd set, and end. */
void uffd_relief_stop(struct uffd *b)
{
	atomic_store(&b->relief.called, UINT32_MAX);
	sys_futex_wake(&b->relief.called, INT32_MAX);
}
