/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - which pages of a block are there.
 *
 * PAGEMAP_SCAN answers in one call and tells huge pages.  Reading the file
 * pagemap of /proc is slower and tells no huge pages. mincore(2) is the last
 * resort.  A page that is swapped out counts as present.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

enum {
	REGIONS = 64
};

static unsigned page_of(uintptr_t va, uint64_t addr)
{
	return (unsigned)((addr - va) >> MM_PAGE_SHIFT);
}

static int scan_present(const struct uffd *b, uintptr_t va, unsigned first,
			unsigned last, struct mm_set *there,
			struct mm_set *huge)
{
	struct uapi_page_region region[REGIONS];
	struct uapi_pm_scan arg = {
		.size = sizeof(arg),
		.start = va + first * MM_PAGE_SIZE,
		.end = va + last * MM_PAGE_SIZE,
		.vec = (uintptr_t)region,
		.vec_len = REGIONS,
		.category_anyof_mask = UAPI_PAGE_PRESENT | UAPI_PAGE_SWAPPED,
		.return_mask = UAPI_PAGE_PRESENT | UAPI_PAGE_HUGE,
	};

	while (arg.start < arg.end) {
		int n = sys_ioctl("PAGEMAP_SCAN", b->pagemap, UAPI_PAGEMAP_SCAN,
				  &arg);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			unsigned from = page_of(va, region[i].start);
			unsigned to = page_of(va, region[i].end);

			set_add_run(there, from, to);
			if (region[i].categories & UAPI_PAGE_HUGE)
				set_add_run(huge, from, to);
		}
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return 0;
}

static int read_pagemap(const struct uffd *b, uintptr_t va, unsigned first,
			unsigned last, struct mm_set *there)
{
	uint64_t entry[64];

	while (first < last) {
		unsigned nr = last - first < 64 ? last - first : 64;
		uint64_t at = (va >> MM_PAGE_SHIFT) + first;
		ssize_t ret = sys_pread(b->pagemap, entry, nr * sizeof(*entry),
					at * sizeof(*entry));

		if (ret < (ssize_t)sizeof(*entry))
			return ret < 0 ? (int)ret : -EIO;
		nr = (unsigned)ret / sizeof(*entry);
		for (unsigned i = 0; i < nr; i++)
			if (entry[i] & (UAPI_PM_PRESENT | UAPI_PM_SWAP))
				set_add(there, first + i);
		first += nr;
	}
	return 0;
}

static int ask_mincore_present(uintptr_t va, unsigned first, unsigned last,
			       struct mm_set *there)
{
	unsigned char vec[MM_BLOCK_PAGES];
	int ret = sys_mincore(va + first * MM_PAGE_SIZE,
			      (last - first) * MM_PAGE_SIZE, vec);

	if (ret)
		return ret;
	for (unsigned i = first; i < last; i++)
		if (vec[i - first] & 1)
			set_add(there, i);
	return 0;
}

int uffd_scan(const struct uffd *b, uintptr_t va, unsigned first, unsigned last,
	      struct mm_set *ret_there, struct mm_set *ret_huge)
{
	struct mm_set there, huge;
	int ret = -ENOTTY;

	set_clear(&there);
	set_clear(&huge);
	if (b->has.scan)
		ret = scan_present(b, va, first, last, &there, &huge);
	if (ret && b->pagemap >= 0)
		ret = read_pagemap(b, va, first, last, &there);
	if (ret)
		ret = ask_mincore_present(va, first, last, &there);
	if (ret)
		return ret;
	*ret_there = there;
	*ret_huge = huge;
	return 0;
}

int uffd_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		  struct mm_set *ret)
{
	struct mm_set huge;

	return uffd_scan(to_uffd(mm), va, first, last, ret, &huge);
}

/* A page that is not there may just have been moved: see "Order" in uffd.h. */
int uffd_resident_now(struct mm *mm, uintptr_t va, unsigned first,
		      unsigned last, struct mm_set *ret)
{
	struct uffd *b = to_uffd(mm);
	int err = uffd_gate_enter(b);

	if (!err) {
		err = uffd_resident(mm, va, first, last, ret);
		if (uffd_gate_leave(b))
			err = -EAGAIN;
	}
	if (err == -EAGAIN)
		uffd_saw_again = true;
	return err;
}

int uffd_pagemap_entries(const struct uffd *b, uintptr_t va, size_t n,
			 uint64_t *ret)
{
	size_t len = n * sizeof(*ret);

	if (b->pagemap < 0 ||
	    sys_pread(b->pagemap, ret, len,
		      (va >> MM_PAGE_SHIFT) * sizeof(*ret)) != (ssize_t)len)
		return -EIO;
	return 0;
}

uint64_t uffd_pagemap_entry(const struct uffd *b, uintptr_t va)
{
	uint64_t entry;

	return uffd_pagemap_entries(b, va, 1, &entry) ? 0 : entry;
}

bool uffd_is_poisoned(const struct uffd *b, uintptr_t va)
{
	uint64_t entry = uffd_pagemap_entry(b, va);
	char byte;

	return !(entry & UAPI_PM_PRESENT) && entry & UAPI_PM_SWAP &&
	       sys_vm_read(&byte, va, 1) == -EFAULT;
}

/*
 * UFFDIO_MOVE wants pages that are known to be the process's alone, and after
 * a fork(2) only a write makes that known.  This one changes nothing.  Pages
 * that another process still maps are left out: they would be copied.
 */
void uffd_unshare(struct mm *mm, uintptr_t va, const struct mm_set *set)
{
	const uint64_t wanted = UAPI_PM_PRESENT | UAPI_PM_EXCLUSIVE;
	const struct uffd *b = to_uffd(mm);
	uint64_t entries[MM_BLOCK_PAGES];
	struct mm_set own;

	if (uffd_pagemap_entries(b, va, MM_BLOCK_PAGES, entries))
		return;
	set_clear(&own);
	set_for_each(set, i)
		if ((entries[i] & wanted) == wanted)
			set_add(&own, i);
	set_for_each_run(&own, first, last)
		sys_madvise(va + first * MM_PAGE_SIZE,
			    (last - first) * MM_PAGE_SIZE, MADV_POPULATE_WRITE);
}
