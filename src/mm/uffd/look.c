/* SPDX-License-Identifier: MIT */
/*
 * look.c - what the CPU's page table says of any memory, for mirrors.
 *
 * Permissions are the mapping's.  The page table is asked by PAGEMAP_SCAN, one
 * call for a whole range; where there is none an entry of pagemap a page is
 * read, and the page of zeroes found out by asking on which node it lies.
 * A process that may not read pagemap, having changed its user, asks
 * mincore(2), which knows neither pages that are shared with a child nor swap.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

enum {
	REGIONS = 64,
	ENTRIES = 64
};

/* ---- Mappings ---- */

static uint16_t of_mapping(const struct uffd_vma *vma)
{
	uint16_t look = MM_LOOK_MAPPED;

	if (vma->read)
		look |= MM_LOOK_READ;
	if (vma->write)
		look |= MM_LOOK_WRITE;
	if (vma->shared)
		look |= MM_LOOK_SHARED;
	if (vma->order >= 18)
		look |= MM_LOOK_GIGA;
	else if (vma->order >= 9)
		look |= MM_LOOK_HUGE;
	return look;
}

/* *@ret_files: there are private mappings of files among them. */
static int look_at_mappings(const struct uffd *b, uintptr_t start,
			    uintptr_t end, uint16_t *ret, bool *ret_files)
{
	uintptr_t at = start;
	struct uffd_vma vma;
	uint16_t look;

	while (at < end) {
		int err = uffd_find_vma(b, at, &vma);

		if (err)
			return err == -ENOENT ? 0 : err;
		if (vma.start > at)
			at = vma.start;
		if (!vma.shared && !vma.anon)
			*ret_files = true;
		look = of_mapping(&vma);
		for (; at < end && at < vma.end; at += MM_PAGE_SIZE)
			ret[(at - start) >> MM_PAGE_SHIFT] = look;
	}
	return 0;
}

/* ---- Pages ---- */

/* A private page of a file is copied at the first write. */
static uint16_t writable(uint16_t look, bool own)
{
	return look & MM_LOOK_WRITE && (look & MM_LOOK_SHARED || own) ?
		       MM_LOOK_WRITABLE :
		       0;
}

static uint16_t of_region(uint16_t look, uint64_t categories)
{
	bool own = !(categories & (UAPI_PAGE_FILE | UAPI_PAGE_ZERO));

	look |= MM_LOOK_PRESENT | writable(look, own);
	if (categories & UAPI_PAGE_ZERO)
		look |= MM_LOOK_ZERO;
	if (categories & UAPI_PAGE_HUGE && !(look & MM_LOOK_GIGA))
		look |= MM_LOOK_HUGE;
	return look;
}

/* Neighbours are mostly alike. */
static void note_region(uint16_t *ret, size_t n, uint64_t categories)
{
	uint16_t was = ret[0], is = of_region(was, categories);

	for (size_t i = 0; i < n; i++) {
		if (ret[i] != was) {
			was = ret[i];
			is = of_region(was, categories);
		}
		ret[i] = is;
	}
}

/* @files: ask for UAPI_PAGE_FILE too, which is slow, and only files need it. */
static int scan_looks(const struct uffd *b, uintptr_t start, uintptr_t end,
		      bool files, uint16_t *ret)
{
	struct uapi_page_region region[REGIONS];
	struct uapi_pm_scan arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)region,
		.vec_len = REGIONS,
		.category_mask = UAPI_PAGE_PRESENT,
		.return_mask = UAPI_PAGE_PRESENT | UAPI_PAGE_ZERO |
			       UAPI_PAGE_HUGE | (files ? UAPI_PAGE_FILE : 0),
	};

	while (arg.start < end) {
		int n = sys_ioctl("PAGEMAP_SCAN", b->pagemap, UAPI_PAGEMAP_SCAN,
				  &arg);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			size_t k = (region[i].start - start) >> MM_PAGE_SHIFT;
			size_t to = (region[i].end - start) >> MM_PAGE_SHIFT;

			note_region(ret + k, to - k, region[i].categories);
		}
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return 0;
}

/* For a page that is present: the shared page of zeroes is on no node. */
static bool is_zero_page(uintptr_t va)
{
	int node = 0;

	return !sys_page_node(va, &node) && node == -EFAULT;
}

static uint16_t of_entry(uint16_t look, uint64_t entry, uintptr_t va)
{
	bool own = entry & UAPI_PM_EXCLUSIVE && !(entry & UAPI_PM_FILE);

	if (!(entry & UAPI_PM_PRESENT))
		return look & (uint16_t)~MM_LOOK_HUGE;
	look |= MM_LOOK_PRESENT | writable(look, own);
	if (!own && !(entry & UAPI_PM_FILE) && is_zero_page(va))
		look |= MM_LOOK_ZERO;
	return look;
}

static int read_entries(const struct uffd *b, uintptr_t start, uintptr_t end,
			uint16_t *ret)
{
	uint64_t entry[ENTRIES];

	while (start < end) {
		size_t n = (end - start) >> MM_PAGE_SHIFT;
		ssize_t got;

		n = n < ENTRIES ? n : ENTRIES;
		got = sys_pread(b->pagemap, entry, n * sizeof(*entry),
				(start >> MM_PAGE_SHIFT) * sizeof(*entry));
		if (got < (ssize_t)sizeof(*entry))
			return got < 0 ? (int)got : -EIO;
		n = (size_t)got / sizeof(*entry);
		for (size_t i = 0; i < n; i++, start += MM_PAGE_SIZE, ret++)
			*ret = of_entry(*ret, entry[i], start);
	}
	return 0;
}

static int ask_mincore_looks(uintptr_t start, uintptr_t end, uint16_t *ret)
{
	unsigned char vec[ENTRIES];

	while (start < end) {
		size_t n = (end - start) >> MM_PAGE_SHIFT;
		int err;

		n = n < ENTRIES ? n : ENTRIES;
		err = sys_mincore(start, n << MM_PAGE_SHIFT, vec);
		if (err && err != -ENOMEM) /* a hole */
			return err;
		for (size_t i = 0; i < n; i++, start += MM_PAGE_SIZE, ret++)
			if (!err && vec[i] & 1)
				*ret = of_entry(*ret,
						UAPI_PM_PRESENT |
							UAPI_PM_EXCLUSIVE,
						start);
	}
	return 0;
}

/* Pages of hugetlbfs that are not there are not huge either. */
static void forget_absent(size_t npages, uint16_t *ret)
{
	const uint16_t huge = MM_LOOK_HUGE | MM_LOOK_GIGA;

	for (size_t i = 0; i < npages; i++)
		if (!(ret[i] & MM_LOOK_PRESENT))
			ret[i] &= (uint16_t)~huge;
}

int uffd_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret)
{
	const struct uffd *b = to_uffd(mm);
	uintptr_t end = start + npages * MM_PAGE_SIZE;
	bool files = false;
	int err;

	memset(ret, 0, npages * sizeof(*ret));
	err = look_at_mappings(b, start, end, ret, &files);
	if (err)
		return err;
	if (b->has.scan)
		err = scan_looks(b, start, end, files, ret);
	if (!b->has.scan || err)
		err = b->pagemap < 0 ? ask_mincore_looks(start, end, ret) :
				       read_entries(b, start, end, ret);
	forget_absent(npages, ret);
	return err;
}

int uffd_populate(struct mm *mm, uintptr_t start, size_t npages, bool write)
{
	(void)mm;
	return sys_madvise(start, npages * MM_PAGE_SIZE,
			   write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
