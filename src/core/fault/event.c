/* SPDX-License-Identifier: MIT */
/*
 * event.c - what the application does to managed addresses.
 *
 * The backend delivers one event at a time, and each before later faults.  A
 * discard or an unmap waits for no move: the mover finds the word changed,
 * gives up, and frees its device page.  Pages at rest are freed here.  remap.c
 * has the remaps.
 */
#include "core/fault/event.h"
#include "core/charge/charge.h"
#include "core/coherent/coherent.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fault/fault.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* ---- Pages that a device has to itself ---------------------------------- */

/*
 * Revoke the exclusive pages.  Return: whether a device is still to be told of
 * one.  A page in @mine stays P_REVOKING until its event is applied; that of
 * another thread may be taken again before that thread told of it.
 */
static bool revoke_pages(struct uhmm *u, struct block *b, unsigned first,
			 unsigned last, struct mm_set *mine)
{
	bool any = false;

	if (!b->nr[P_EXCLUSIVE] && !b->nr[P_REVOKING])
		return false;
	for (unsigned i = first; i < last; i++) {
		enum page_state s = page_state(block_word(b, i));

		if (set_has(mine, i) || (s != P_EXCLUSIVE && s != P_REVOKING))
			continue;
		any = true;
		if (s == P_REVOKING)
			continue;
		block_event(u, b, i, E_REVOKE);
		set_add(mine, i);
	}
	return any;
}

void event_lock_revoked(struct uhmm *u, struct block *b, unsigned first,
			unsigned last, enum uhmm_notify why,
			struct mm_set *mine)
{
	struct sys_wait w = { .all = &u->waits,
			      .what = "a device to let go of pages at",
			      .at = block_addr(b, first) };

	block_lock(b);
	while (revoke_pages(u, b, first, last, mine)) {
		block_unlock(u, b);
		mirror_invalidate(u, block_addr(b, first), block_addr(b, last),
				  why);
		sys_wait_note(&w);
		block_lock(b);
	}
	sys_wait_end(&w);
}

/* ---- Discard: MADV_DONTNEED, MADV_FREE -------------------------------- */

/* A page that is used in place stays mapped, and is wiped to zeroes. */
static void discard_there(struct uhmm *u, struct block *b, unsigned i,
			  struct mm_set *wipe)
{
	count_add(&u->count.discarded, 1);
	block_drop_later(b, i);
	if (page_state(block_word(b, i)) == P_COHERENT)
		set_add(wipe, i);
}

/* Return: the word of a device page to be freed, or 0. */
static uint64_t discard_page(struct uhmm *u, struct block *b, unsigned i,
			     struct mm_set *wipe)
{
	uint64_t w = block_word(b, i);

	switch (page_state(w)) {
	case P_STASHING: /* its mover looks at PAGE_DROP */
		if (!(w & PAGE_AWAY)) {
			block_drop_later(b, i);
			return 0;
		}
		count_add(&u->count.discarded, 1);
		block_overtake(u, b, i, PAGE_DROP);
		return w;
	case P_POISONED: /* the thread that unplaces it looks, too */
		if (w & PAGE_SWAPPING)
			block_drop_later(b, i);
		else
			block_event(u, b, i, E_DISCARD);
		return 0;
	case P_EMPTY:
		return 0;
	case P_DROPPED:
	case P_RAM:
		block_event(u, b, i, E_DISCARD);
		return 0;
	case P_COMING: /* from its file: it comes as it is there */
		if (block_is_file(b, i) && page_dev(w) == block_file(b)->dev)
			return 0;
		break;
	default:
		break;
	}
	if (coherent_is_mapped(u, w) &&
	    (page_state(w) == P_COHERENT || page_state(w) == P_COMING)) {
		discard_there(u, b, i, wipe);
		return 0;
	}
	count_add(&u->count.discarded, 1);
	block_event(u, b, i, E_DISCARD);
	if (page_has(w, PAGE_IN_FRAME))
		kept_copied(u, b, i, 1);
	return event_owns_dpfn(w) ? w : 0;
}

/*
 * A toucher may have found a page that was being revoked, and wait: nothing
 * else ends that wait when the page goes.
 */
static void wake_waiting(struct uhmm *u, struct block *b)
{
	if (atomic_load(&b->waiting))
		block_settle(u, b, false);
}

/* Pages that were unregistered after the event was raised are skipped. */
static void discard_block(struct uhmm *u, struct block *b, unsigned first,
			  unsigned last)
{
	uint64_t gone[MM_BLOCK_PAGES];
	struct mm_set managed, mine, wipe;
	unsigned n = 0;

	set_clear(&mine);
	set_clear(&wipe);
	event_lock_revoked(u, b, first, last, UHMM_NOTIFY_CLEAR, &mine);
	if (block_ensure_table(u, b)) {
		dropped_remember(u, block_addr(b, first), block_addr(b, last));
		block_unlock(u, b);
		return;
	}
	region_set(u, block_addr(b, first), block_addr(b, last), &managed);
	set_for_each(&managed, i) {
		uint64_t w = discard_page(u, b, i, &wipe);

		if (w)
			gone[n++] = w;
	}
	block_unlock(u, b);
	wake_waiting(u, b);
	device_free_words(u, gone, n);
	if (!set_empty(&wipe))
		coherent_wipe(u, b, &wipe);
}

/* ---- Unmap ------------------------------------------------------------ */

void event_forget_page(struct uhmm *u, struct block *b, unsigned i)
{
	bool framed = page_has(block_word(b, i), PAGE_IN_FRAME);

	if (page_state(block_word(b, i)) == P_STASHING)
		block_overtake(u, b, i, PAGE_GONE);
	else
		block_event(u, b, i, E_FORGET);
	if (framed)
		kept_copied(u, b, i, 1);
}

static void unmap_block(struct uhmm *u, struct block *b, unsigned first,
			unsigned last)
{
	uint64_t gone[MM_BLOCK_PAGES];
	struct mm_set mine;
	unsigned n = 0;

	set_clear(&mine);
	event_lock_revoked(u, b, first, last, UHMM_NOTIFY_UNMAP, &mine);
	for (unsigned i = first; b->table && i < last; i++) {
		uint64_t w = block_word(b, i);

		if (event_owns_dpfn(w))
			gone[n++] = w;
		if (w)
			event_forget_page(u, b, i);
	}
	b->huge = false;
	block_file_cut(b, first, last);
	hint_clear(&b->order, first, last);
	block_unlock(u, b);
	wake_waiting(u, b);
	device_free_words(u, gone, n);
}

/* ---- Walking ---------------------------------------------------------- */

void event_each_block(struct uhmm *u, uintptr_t start, uintptr_t end,
		      event_block_fn *fn)
{
	for (uintptr_t last; block_next(u, &start, end); start = last) {
		last = block_part_end(start, end);
		fn(u, block_find(u, start), page_index(start),
		   page_index(last - 1) + 1);
	}
}

static bool are_known(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	while (start < end && block_find(u, start))
		start = block_part_end(start, end);
	return start >= end;
}

void core_discard(void *priv, uintptr_t start, uintptr_t end)
{
	if (!are_known(priv, start, end))
		dropped_remember(priv, start, end);
	event_each_block(priv, start, end, discard_block);
	dropped_note(priv);
	mirror_invalidate(priv, start, end, UHMM_NOTIFY_CLEAR);
}

void core_unmap(void *priv, uintptr_t start, uintptr_t end)
{
	struct uhmm *u = priv;

	if (region_del(u, start, end))
		sys_logf(&u->log, SYS_ERR, "no memory to forget a range");
	event_each_block(u, start, end, unmap_block);
	charge_forget(u, start, end);
	mirror_invalidate(u, start, end, UHMM_NOTIFY_UNMAP);
}
