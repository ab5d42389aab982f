/* SPDX-License-Identifier: MIT */
/*
 * mirror_look.c - the entries of a device's page table, from a look at pages.
 *
 * An entry of RAM is the page's address: a device's access faults like that of
 * the CPU, so moving a page without telling the device is slow, but no loss.
 */
#include <errno.h>

#include "core/coherent/fixed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/mirror/mirror_api.h"
#include "core/mirror/walk.h"
#include "core/notify/mirror.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/* ---- Entries ---------------------------------------------------------- */

static unsigned order_of_look(uint16_t look)
{
	if (look & MM_LOOK_GIGA)
		return 18;
	return look & MM_LOOK_HUGE ? 9 : 0;
}

/* The entry of a page at its address; 0: the page is not there. */
static uhmm_pfn_t ram_entry(uintptr_t va, uint64_t word, uint16_t look)
{
	uhmm_pfn_t pfn = UHMM_PFN_VALID | va >> MM_PAGE_SHIFT;

	if (!(look & MM_LOOK_PRESENT))
		return 0;
	if (look & MM_LOOK_ZERO)
		pfn |= UHMM_PFN_ZERO;
	if (look & MM_LOOK_WRITABLE && page_state(word) != P_CLEAN)
		pfn |= UHMM_PFN_WRITE;
	return pfn | (uhmm_pfn_t)order_of_look(look) << 56;
}

/* The entry of a page in its frame, exclusive to the mirror. */
static uhmm_pfn_t frame_entry(struct uhmm *u, uintptr_t va)
{
	uintptr_t slot = block_slot_va(u, block_find(u, va));

	return UHMM_PFN_VALID | UHMM_PFN_WRITE |
	       ((slot >> MM_PAGE_SHIFT) + page_index(va));
}

static uhmm_pfn_t device_entry(uint64_t word, uint16_t look, bool writable)
{
	uhmm_pfn_t pfn = UHMM_PFN_VALID | (uhmm_pfn_t)page_dev(word) << 48 |
			 page_dpfn(word);

	return writable && look & MM_LOOK_WRITE ? pfn | UHMM_PFN_WRITE : pfn;
}

/*
 * Like the kernel's entry of device-coherent memory: the page's address, and
 * for the page's own device also the device's number.
 */
static uhmm_pfn_t site_entry(uintptr_t va, uint64_t word, uint16_t look)
{
	uhmm_pfn_t pfn = ram_entry(va, word, look);

	return pfn ? pfn | (uhmm_pfn_t)page_dev(word) << 48 : 0;
}

/* 0: the page has to be faulted in. */
static uhmm_pfn_t entry_of(const struct uhmm_mirror *m, uintptr_t va,
			   uint64_t word, uint16_t look, bool kept)
{
	switch (page_state(word)) {
	case P_RAM:
	case P_EMPTY:
	case P_DROPPED:
	case P_CLEAN:
		return ram_entry(va, word, look);
	case P_DEVICE:
		if (m->dev && page_dev(word) == m->dev->id)
			return device_entry(word, look, !kept);
		return 0;
	case P_COHERENT:
		if (!m->dev || page_dev(word) != m->dev->id)
			return ram_entry(va, word, look);
		if (!site_has(m->u, word))
			return device_entry(word, look, true);
		return m->dev->desc.flags & UHMM_DEVICE_NODE ?
			       site_entry(va, word, look) :
			       ram_entry(va, word, look);
	case P_EXCLUSIVE:
		return page_dev(word) == m->id ? frame_entry(m->u, va) : 0;
	case P_POISONED:
		return UHMM_PFN_ERROR;
	default:
		return 0;
	}
}

/* A device may do no more than the CPU may. */
static int check_access(uint16_t look, unsigned flags)
{
	if (!(look & MM_LOOK_MAPPED) || !(look & MM_LOOK_READ))
		return -EFAULT;
	return flags & UHMM_FAULT_WRITE && !(look & MM_LOOK_WRITE) ? -EPERM : 0;
}

/* Does the entry allow what @flags ask for? */
static bool suits(uhmm_pfn_t pfn, uint64_t word, unsigned flags)
{
	if (flags & UHMM_FAULT_PRESENT)
		return true;
	if (flags & UHMM_FAULT_EXCLUSIVE)
		return page_state(word) == P_EXCLUSIVE && pfn;
	if (flags & UHMM_FAULT_WRITE)
		return pfn & UHMM_PFN_WRITE;
	return pfn;
}

/* ---- Looking ---------------------------------------------------------- */

/*
 * The device may write these pages next: forget their kept frames, and that
 * they are what their file has.  Locked.
 */
static void forget_kept(const struct mirror_walk *w, struct block *b)
{
	bool any = b->nr_kept || block_file(b);

	for (unsigned k = 0; any && k < nr_pages(w); k++) {
		unsigned i = page_index(w->start) + k;
		uint64_t word = block_word(b, i);

		if (page_state(word) == P_DEVICE && w->m->dev &&
		    page_dev(word) == w->m->dev->id &&
		    w->look[k] & MM_LOOK_WRITE) {
			kept_forget(w->m->u, b, i);
			block_file_written(b, i);
		}
	}
}

/* Read words and page table as they are at one moment. */
static int look_at_pages(struct mirror_walk *w, uint64_t *words)
	NOT_GUARDED /* the block may not exist */
{
	struct uhmm *u = w->m->u;
	struct block *b = block_find(u, w->start);
	unsigned first = page_index(w->start), n = nr_pages(w);
	int err;

	if (b)
		block_lock(b);
	err = u->mm->ops->look(u->mm, w->start, n, w->look);
	if (b && b->table)
		memcpy(words, b->table + first, n * sizeof(*words));
	else
		memset(words, 0, n * sizeof(*words));
	set_clear(&w->kept);
	if (b && !err && w->flags & UHMM_FAULT_WRITE)
		forget_kept(w, b);
	if (b && b->nr_kept)
		w->kept = slot_of(u, b->slot)->kept;
	if (b && block_file(b))
		w->kept = set_or(&w->kept, &block_file(b)->same);
	if (b)
		block_unlock(u, b);
	fixed_words(u, w->start, w->end, words);
	return err;
}

static uhmm_pfn_t entry_at(const struct mirror_walk *w, unsigned i,
			   uint64_t word)
{
	bool kept = set_has(&w->kept, page_index(w->start) + i);

	return entry_of(w->m, w->start + i * MM_PAGE_SIZE, word, w->look[i],
			kept);
}

/*
 * One entry maps a block that lies on the device as it does at its address, all
 * of it with the same rights.
 */
static void join_entries(const struct mirror_walk *w, const uint64_t *words,
			 uhmm_pfn_t *pfn)
{
	if (nr_pages(w) != MM_BLOCK_PAGES ||
	    page_dpfn(words[0]) & (MM_BLOCK_PAGES - 1))
		return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (page_state(words[i]) != P_DEVICE ||
		    !uhmm_pfn_device(pfn[i]) || pfn[i] != pfn[0] + i)
			return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		pfn[i] |= (uhmm_pfn_t)9 << 56;
}

int walk_collect(struct mirror_walk *w)
{
	uint64_t words[MM_BLOCK_PAGES];
	int err = look_at_pages(w, words);

	if (err)
		return err;
	w->err = 0;
	for (w->n = 0; w->n < nr_pages(w); w->n++) {
		w->word = words[w->n];
		w->pfn[w->n] = entry_at(w, w->n, w->word);
		w->err = check_access(w->look[w->n], w->flags);
		if (!w->err && w->pfn[w->n] & UHMM_PFN_ERROR)
			w->err = -EFAULT;
		if (w->err || !suits(w->pfn[w->n], w->word, w->flags))
			return 0;
	}
	join_entries(w, words, w->pfn);
	return 0;
}

/* ---- Snapshots -------------------------------------------------------- */

/* Entries of neighbours in RAM differ by the address alone. */
static void fill_pfns(const struct mirror_walk *w, const uint64_t *words,
		      uhmm_pfn_t *ret)
{
	uhmm_pfn_t entry = 0;
	bool same = false;

	for (unsigned i = 0; i < nr_pages(w); i++) {
		same = same && page_state(words[i]) == P_RAM &&
		       w->look[i] == w->look[i - 1];
		if (same && entry)
			entry++;
		else if (!same)
			entry = check_access(w->look[i], 0) ?
					UHMM_PFN_ERROR :
					entry_at(w, i, words[i]);
		same = page_state(words[i]) == P_RAM &&
		       !(entry & UHMM_PFN_ERROR);
		ret[i] = entry;
	}
	join_entries(w, words, ret);
}

int do_mirror_snapshot(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		       uhmm_pfn_t *ret)
{
	struct mirror_walk w = { .m = m, .start = addr };
	uint64_t words[MM_BLOCK_PAGES];
	uintptr_t end = addr + len;

	if (!is_in_mirror(m, addr, end))
		return -EINVAL;
	for (; w.start < end; w.start = w.end) {
		int err;

		w.end = block_part_end(w.start, end);
		err = look_at_pages(&w, words);
		if (err)
			return err;
		fill_pfns(&w, words, ret);
		ret += nr_pages(&w);
	}
	return 0;
}
