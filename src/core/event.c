/* SPDX-License-Identifier: MIT */
/*
 * event.c - what the application does to managed addresses.
 *
 * The backend calls one at a time, and before any fault that comes after.
 * Nothing here waits for a move: a mover finds the changed word and gives up,
 * which also frees its device page; pages at rest are freed here.
 */
#include <errno.h>

#include "core/core.h"

/* ---- Discard: MADV_DONTNEED, MADV_FREE -------------------------------- */

/* Nobody is at work on its device page. */
static bool is_at_rest(uint64_t w)
{
	return page_state(w) == P_DEVICE || page_state(w) == P_CLEAN;
}

static void free_device_page(struct uhmm *u, uint64_t w)
{
	device_free_run(device_get(u, page_dev(w)), page_dpfn(w), 1);
}

/*
 * A page in removal causes one event by itself, whoever else discards it:
 * the second one is the application's.
 */
static void discard_zapping(struct block *b, unsigned i)
{
	uint64_t *w = &b->table[i];

	*w |= *w & PAGE_ZAP_SEEN ? PAGE_ZAP_DROP : PAGE_ZAP_SEEN;
}

/* Return: a device page to be freed, or 0. */
static uint64_t discard_page(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i);

	switch (page_state(w)) {
	case P_ZAPPING:
		discard_zapping(b, i);
		return 0;
	case P_EMPTY:
	case P_DROPPED:
		return 0;
	case P_RAM:
		block_event(u, b, i, E_DISCARD);
		return 0;
	default:
		count_add(&u->count.discarded, 1);
		block_event(u, b, i, E_DISCARD);
		return is_at_rest(w) ? w : 0;
	}
}

static void discard_block(struct uhmm *u, struct block *b, unsigned first,
			  unsigned last)
{
	uint64_t gone[MM_BLOCK_PAGES];
	unsigned n = 0;

	block_lock(b);
	if (block_ensure_table(u, b)) {
		block_unlock(u, b);
		return;
	}
	for (unsigned i = first; i < last; i++) {
		uint64_t w = discard_page(u, b, i);

		if (w)
			gone[n++] = w;
	}
	block_unlock(u, b);
	while (n)
		free_device_page(u, gone[--n]);
}

/* ---- Unmap ------------------------------------------------------------ */

static void unmap_block(struct uhmm *u, struct block *b, unsigned first,
			unsigned last)
{
	uint64_t gone[MM_BLOCK_PAGES];
	unsigned n = 0;

	block_lock(b);
	for (unsigned i = first; b->table && i < last; i++) {
		uint64_t w = block_word(b, i);

		if (is_at_rest(w))
			gone[n++] = w;
		if (w)
			block_event(u, b, i, E_FORGET);
	}
	b->huge = false;
	block_unlock(u, b);
	while (n)
		free_device_page(u, gone[--n]);
}

/* ---- Walking ---------------------------------------------------------- */

typedef void block_fn(struct uhmm *u, struct block *b, unsigned first,
		      unsigned last);

/* For each part of [start, end) that lies in one known block. */
static void for_each_block(struct uhmm *u, uintptr_t start, uintptr_t end,
			   block_fn *fn)
{
	while (start < end) {
		uintptr_t next = (start | (MM_BLOCK_SIZE - 1)) + 1;
		uintptr_t last = next < end ? next : end;
		struct block *b = block_find(u, start);

		if (b)
			fn(u, b, page_index(start), page_index(last - 1) + 1);
		start = last;
	}
}

void core_discard(void *priv, uintptr_t start, uintptr_t end)
{
	for_each_block(priv, start, end, discard_block);
}

void core_unmap(void *priv, uintptr_t start, uintptr_t end)
{
	struct uhmm *u = priv;

	if (region_del(u, start, end))
		sys_logf(&u->log, SYS_ERR, "no memory to forget a range");
	for_each_block(u, start, end, unmap_block);
}

/* ---- Remap ------------------------------------------------------------ */

/* From its frame, or, if it was clean and on its way out, from the device. */
static void copy_frame(struct uhmm *u, struct block *from, unsigned i,
		       uint64_t w, char *dst)
{
	struct uhmm_segment seg = { page_dpfn(w), dst, 1 };

	if (page_state(w) != P_ZAPPING || !page_dev(w))
		sys_copy(dst, (char *)block_slot_va(u, from) + i * MM_PAGE_SIZE,
			 MM_PAGE_SIZE);
	else if (device_copy_out(device_get(u, page_dev(w)), &seg, 1))
		sys_logf(&u->log, SYS_ERR, "a moved page could not be read");
}

/* Frames stay with their block; the moved page gets a frame in its new one. */
static void move_frame(struct uhmm *u, struct block *from, unsigned i,
		       struct block *to, unsigned k)
{
	uint64_t w = block_word(from, i);
	struct mm_set one;

	set_clear(&one);
	set_add(&one, k);
	block_lock(to);
	if (to->slot == NO_SLOT)
		to->slot = slot_get_empty(u, &one);
	if (to->slot == NO_SLOT || block_ensure_table(u, to)) {
		sys_logf(&u->log, SYS_ERR, "no frame for a moved page");
	} else {
		copy_frame(u, from, i, w,
			   (char *)block_slot_va(u, to) + k * MM_PAGE_SIZE);
		set_add(&slot_of(u, to->slot)->stock, k);
		block_set(u, to, k, P_FROZEN);
	}
	block_unlock(u, to);
}

static void move_word(struct uhmm *u, struct block *to, unsigned k, uint64_t w)
{
	block_lock(to);
	if (block_ensure_table(u, to))
		sys_logf(&u->log, SYS_ERR, "no memory for a moved page");
	else
		block_set(u, to, k, w);
	block_unlock(u, to);
}

/* A page's word; a copy home ends without our help, so wait for it. */
static uint64_t settled_word(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w;

	block_lock(b);
	while (page_state(w = block_word(b, i)) == P_COMING) {
		uint32_t seen = atomic_load(&b->settled);

		atomic_store(&b->waiting, 1);
		block_unlock(u, b);
		sys_futex_wait(&b->settled, seen, 1000 * 1000);
		block_lock(b);
	}
	block_unlock(u, b);
	return w;
}

/* What the page is at its new address, given what it was at the old one. */
static void remap_page(struct uhmm *u, struct block *from, unsigned i,
		       struct block *to, unsigned k)
{
	uint64_t w = settled_word(u, from, i);

	switch (page_state(w)) {
	case P_FROZEN:
	case P_LEAVING:
	case P_ZAPPING:
		move_frame(u, from, i, to, k);
		break;
	case P_CLEARING:
		move_word(u, to, k, P_EMPTY);
		break;
	case P_HELD:
		move_word(u, to, k, P_RAM | PAGE_CHARGED);
		break;
	default:
		move_word(u, to, k, w);
	}
	block_lock(from);
	if (from->table)
		block_event(u, from, i, E_FORGET);
	block_unlock(u, from);
}

static void remap_range(struct uhmm *u, uintptr_t from, uintptr_t to,
			size_t len)
{
	for (size_t off = 0; off < len; off += MM_PAGE_SIZE) {
		struct block *b = block_find(u, from + off);
		struct block *t;

		if (!b || !settled_word(u, b, page_index(from + off)))
			continue;
		t = block_get(u, to + off);
		if (t)
			remap_page(u, b, page_index(from + off), t,
				   page_index(to + off));
		else
			sys_logf(&u->log, SYS_ERR, "no memory to move a page");
	}
}

void core_remap(void *priv, uintptr_t from, uintptr_t to, size_t len)
{
	struct uhmm *u = priv;

	remap_range(u, from, to, len);
	core_unmap(u, from, from + len);
	if (region_add(u, to, to + len))
		sys_logf(&u->log, SYS_ERR, "no memory to manage a range");
}
