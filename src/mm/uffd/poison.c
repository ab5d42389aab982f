/* SPDX-License-Identifier: MIT */
/*
 * poison.c - pages that have lost their data.
 *
 * UFFDIO_POISON (6.6) makes the kernel raise SIGBUS for each touch.  Before,
 * the page stays missing: each touch is a fault, which the client answers with
 * MM_SIGBUS.  Inline mode then leaves the signal it already has to the
 * program.  In threads mode the faulting thread gets a SIGBUS from us, with
 * the page's address, but with si_code SI_QUEUE; a system call on such a page,
 * in a program that catches SIGBUS, spins in the kernel until it is killed.
 *
 * Threads that wait for a page that gets lost must be woken, once, and then
 * fault again.  A signal to a thread that has been woken would hit it somewhere
 * else.  So lost pages are remembered, a few of them, and the first poison()
 * only wakes.
 *
 * A thread that is woken for another reason faults again, and then two handler
 * threads may serve the same touch.  The second signal would come when the
 * program has dealt with the first.  So the second handler thread only wakes
 * the toucher, too: a thread that does touch the page again comes back with
 * another fault.
 */
#include <errno.h>
#include <signal.h>

#include "mm/uffd/uffd.h"

#define MOMENT_NS (UINT64_C(20) * 1000 * 1000)

/*
 * The calling thread has woken the threads that wait for the page that it
 * serves.
 */
static _Thread_local bool woken;
static _Thread_local uint64_t began; /* to serve the fault */

static _Atomic uintptr_t *lost_at(struct uffd *b, uintptr_t va)
{
	return &b->lost[(va >> MM_PAGE_SHIFT) % UFFD_LOST];
}

static void emulate(struct uffd *b, uintptr_t va, size_t npages)
{
	for (size_t i = 0; i < npages; i++, va += MM_PAGE_SIZE) {
		if (atomic_exchange(lost_at(b, va), va) == va)
			continue;
		woken = true;
		b->mm.ops->wake(&b->mm, va, 1);
	}
}

int uffd_poison(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	size_t done = 0, step = npages;

	if (!b->has.poison) {
		emulate(b, va, npages);
		return 0;
	}
	uffd_hint_small(b, va);
	while (done < npages) {
		ssize_t ret;

		if (step > npages - done)
			step = npages - done;
		ret = uffd_poison_range(b, va + done * MM_PAGE_SIZE,
					step * MM_PAGE_SIZE);
		if (ret > 0)
			done += (size_t)ret >> MM_PAGE_SHIFT;
		else if (step > 1 && (ret == -ENOENT || ret == -EINVAL))
			step /= 2; /* across two mappings */
		else
			return (int)ret;
	}
	return 0;
}

void uffd_poison_begin(const struct uffd *b)
{
	woken = false;
	if (!b->has.poison)
		began = sys_now_ns();
}

/*
 * Was @tid sent a signal for the page since the calling thread began to serve
 * this touch, or a moment before?  If not, note that it is sent one.
 */
static bool was_sent(struct uffd *b, uintptr_t va, int tid)
{
	struct uffd_sent *s = &b->sent[(unsigned)tid % UFFD_SENT];
	bool ret;

	sys_mutex_lock(&b->sent_lock);
	ret = s->tid == tid && s->va == va && s->ns + MOMENT_NS > began;
	if (!ret)
		*s = (struct uffd_sent){ .tid = tid,
					 .va = va,
					 .ns = sys_now_ns() };
	sys_mutex_unlock(&b->sent_lock);
	return ret;
}

void uffd_poison_signal(struct uffd *b, uintptr_t va, int tid)
{
	if (b->has.poison || (!woken && was_sent(b, va, tid)))
		uffd_wake_range(b, va, MM_PAGE_SIZE);
	else if (!woken)
		sys_sigbus(tid, va);
}

void uffd_poison_forget(struct uffd *b, uintptr_t start, uintptr_t end)
{
	if (b->has.poison)
		return;
	for (size_t i = 0; i < UFFD_LOST; i++) {
		uintptr_t va = atomic_load(&b->lost[i]);

		if (va >= start && va < end)
			atomic_compare_exchange_strong(&b->lost[i], &va, 0);
	}
}
