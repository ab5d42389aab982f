/* SPDX-License-Identifier: MIT */
/*
 * uffd_commit.c - copy pages that are frozen in place, and remove them.
 *
 * The removal is an madvise(MADV_DONTNEED), which raises the event of any
 * other: the thread waits until a handler has read it.  Hence no lock may be
 * held, and no handler thread may do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "mm/uffd.h"

/* Without asking what the mapping allows: PROT_NONE has data, too. */
static ssize_t read_hidden(void *dst, uintptr_t va, size_t len)
{
	int fd = sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return fd;
	ret = sys_pread(fd, dst, len, va);
	sys_close(fd);
	return ret;
}

/* How many pages of a run could be read, up to the first that cannot. */
static unsigned copy_run(uintptr_t va, uintptr_t slot, unsigned first,
			 unsigned last)
{
	uintptr_t off = first * MM_PAGE_SIZE;
	size_t len = (last - first) * MM_PAGE_SIZE;
	ssize_t ret = sys_vm_read((void *)(slot + off), va + off, len);

	if (ret < (ssize_t)MM_PAGE_SIZE)
		ret = read_hidden((void *)(slot + off), va + off, len);
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

			if (!n)
				set_del(set, i++);
			i += n;
		}
	}
}

/* One call for many runs.  Return: how many runs are done. */
static size_t discard_vector(const struct uffd *b, const struct iovec *vec,
			     size_t nr)
{
	ssize_t bytes = sys_process_madvise(b->pidfd, vec, nr, MADV_DONTNEED);
	size_t n = 0;

	for (; n < nr && bytes >= (ssize_t)vec[n].iov_len; n++)
		bytes -= (ssize_t)vec[n].iov_len;
	return n;
}

/* What is there still, of a run that was perhaps removed in part. */
static void remaining(const struct uffd *b, uintptr_t va, unsigned first,
		      unsigned last, struct mm_set *ret)
{
	struct mm_set huge;

	if (uffd_scan(b, va, first, last, ret, &huge)) {
		set_clear(ret);
		set_add_run(ret, first, last);
	}
}

/*
 * A run, or where that is refused (mlock(2), a hole) its pages one by one.  No
 * page is removed twice, for the second event would be the application's: a
 * removed one cannot come back before this ends.
 */
static void discard_run(const struct uffd *b, struct mm_set *set, uintptr_t va,
			unsigned first, unsigned last)
{
	struct mm_set there;

	if (!sys_madvise(va + first * MM_PAGE_SIZE,
			 (last - first) * MM_PAGE_SIZE, MADV_DONTNEED))
		return;
	remaining(b, va, first, last, &there);
	set_for_each(&there, i)
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
		struct mm_set there;

		if (!b->has.vector || nr == 1) {
			discard_run(b, set, va, first, first + n);
			continue;
		}
		remaining(b, va, first, first + n, &there);
		set_for_each_run(&there, from, to)
			discard_run(b, set, va, from, to);
	}
	/* The events have been read; now they have been applied. */
	uffd_sync(mm);
}
