/* SPDX-License-Identifier: MIT */
/* snapshot.c - where each page of a range is. */
#include <errno.h>

#include "core/coherent/fixed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/report/listing.h"

static uhmm_pfn_t ram_pfn(uint64_t w, bool there)
{
	uhmm_pfn_t pfn = there ? UHMM_PFN_VALID | UHMM_PFN_WRITE : 0;

	return page_pins(w) ? pfn | UHMM_PFN_PINNED : pfn;
}

static uhmm_pfn_t device_pfn(uint64_t w)
{
	return UHMM_PFN_VALID | UHMM_PFN_WRITE | (uhmm_pfn_t)page_dev(w) << 48 |
	       page_dpfn(w);
}

static uhmm_pfn_t to_pfn(uint64_t w, bool there)
{
	if (page_is_away(w))
		return device_pfn(w);
	if (page_has(w, PAGE_USES_FRAME))
		return UHMM_PFN_VALID | UHMM_PFN_WRITE | UHMM_PFN_FROZEN;
	switch (page_state(w)) {
	case P_RAM:
	case P_DROPPED:
		return ram_pfn(w, there);
	case P_CLEAN:
		return UHMM_PFN_VALID | UHMM_PFN_WRITE;
	case P_POISONED:
		return UHMM_PFN_ERROR;
	default:
		return 0;
	}
}

/* @ret is memory that may fault, so it is written without the block's lock. */
static int
snapshot_part(struct uhmm *u, uintptr_t start, uintptr_t end,
	      uhmm_pfn_t *ret) NOT_GUARDED /* there may be no block */
{
	unsigned first = page_index(start), last = page_index(end - 1) + 1;
	uintptr_t va = start & ~(MM_BLOCK_SIZE - 1);
	struct block *b = block_find(u, start);
	uhmm_pfn_t pfn[MM_BLOCK_PAGES];
	uint64_t words[MM_BLOCK_PAGES];
	struct mm_set there;
	int err;

	if (b)
		block_lock(b);
	err = u->mm->ops->resident(u->mm, va, first, last, &there);
	for (unsigned i = first; i < last; i++)
		words[i] = b ? block_word(b, i) : 0;
	for (unsigned i = first; b && i < last; i++)
		if (block_rests(b, words[i]))
			words[i] = P_EMPTY;
	if (b)
		block_unlock(u, b);
	fixed_words(u, start, end, words + first);
	for (unsigned i = first; i < last; i++)
		pfn[i] = to_pfn(words[i], set_has(&there, i));
	if (!err)
		memcpy(ret, pfn + first, (last - first) * sizeof(*ret));
	return err;
}

static int check_all_mapped(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct mm_extent e[32];

	if (region_covers(u, start, end))
		return 0;
	while (start < end) {
		ssize_t n = u->mm->ops->survey(u->mm, start, end, e, 32);

		if (n <= 0)
			return n ? (int)n : -EIO;
		for (ssize_t i = 0; i < n; i++)
			if (e[i].kind == MM_UNMAPPED)
				return -ENOMEM;
		start = e[n - 1].end;
	}
	return 0;
}

int do_snapshot(struct uhmm *u, uintptr_t addr, size_t len, uhmm_pfn_t *ret)
{
	uintptr_t end = addr + len;
	int err = check_all_mapped(u, addr, end);

	site_look_again(u);
	while (addr < end && !err) {
		uintptr_t last = block_part_end(addr, end);

		err = snapshot_part(u, addr, last, ret);
		ret += (last - addr) >> MM_PAGE_SHIFT;
		addr = last;
	}
	return err;
}
