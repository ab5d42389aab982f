/* SPDX-License-Identifier: MIT */
/*
 * uffd_commit.c - copy pages that are frozen in place, and remove them.
 *
 * The removal is an madvise(MADV_DONTNEED), which raises the event of any
 * other: the thread waits until a handler has read it.  Hence no lock may be
 * held, and no handler thread may do it.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd.h"

/* The longest part of a run that can be read; false: not even one page. */
static unsigned copy_run(uintptr_t va, uintptr_t slot, unsigned first,
			 unsigned last)
{
	uintptr_t off = first * MM_PAGE_SIZE;
	ssize_t ret = sys_vm_read((void *)(slot + off), va + off,
				  (last - first) * MM_PAGE_SIZE);

	return ret < 0 ? 0 : (unsigned)(ret >> MM_PAGE_SHIFT);
}

void uffd_copy_out(struct mm *mm, uintptr_t va, uintptr_t slot,
		   struct mm_set *set)
{
	struct mm_set all = *set;

	(void)mm;
	set_for_each_run(&all, first, last) {
		for (unsigned i = first; i < last;) {
			unsigned n = copy_run(va, slot, i, last);

			i += n;
			if (i < last)
				set_del(set, i++);
		}
	}
}

/* One call for many runs.  Return: how many runs are done. */
static size_t discard_vector(const struct uffd *b, const struct iovec *vec,
			     size_t nr)
{
	ssize_t bytes = sys_process_madvise(b->pidfd, vec, nr, MADV_DONTNEED);
	size_t n = 0;

	/* A run that was done in part will be done again: it is empty. */
	for (; n < nr && bytes >= (ssize_t)vec[n].iov_len; n++)
		bytes -= (ssize_t)vec[n].iov_len;
	return n;
}

/* A run, or its pages one by one where the whole is refused. */
static void discard_run(struct mm_set *set, uintptr_t va, unsigned first,
			unsigned last)
{
	if (!sys_madvise(va + first * MM_PAGE_SIZE,
			 (last - first) * MM_PAGE_SIZE, MADV_DONTNEED))
		return;
	for (unsigned i = first; i < last; i++)
		if (sys_madvise(va + i * MM_PAGE_SIZE, MM_PAGE_SIZE,
				MADV_DONTNEED))
			set_del(set, i);
}

void uffd_commit(struct mm *mm, uintptr_t va, struct mm_set *set)
{
	struct uffd *b = to_uffd(mm);
	struct iovec vec[MM_BLOCK_PAGES / 2];
	struct mm_set all = *set;
	size_t nr = 0, done = 0;

	set_for_each_run(&all, first, last)
		vec[nr++] = (struct iovec){
			(void *)(va + first * MM_PAGE_SIZE),
			(last - first) * MM_PAGE_SIZE,
		};
	if (b->has.vector && nr > 1)
		done = discard_vector(b, vec, nr);
	for (; done < nr; done++) {
		uintptr_t start = (uintptr_t)vec[done].iov_base;
		unsigned first = (unsigned)((start - va) >> MM_PAGE_SHIFT);
		unsigned n = (unsigned)(vec[done].iov_len >> MM_PAGE_SHIFT);

		discard_run(set, va, first, first + n);
	}
	/* The events have been read; now they have been applied. */
	sys_mutex_lock(&b->event_lock);
	sys_mutex_unlock(&b->event_lock);
}
