/* SPDX-License-Identifier: MIT */
/*
 * dropped.c - pages that the application discarded and that may still be there.
 *
 * The kernel's event of a discard is the same for MADV_DONTNEED and MADV_FREE,
 * and comes before the pages go.  After MADV_DONTNEED a page goes in a moment:
 * a mover that took it before would bring old data back.  After MADV_FREE it
 * stays for as long as the kernel likes, and for good once it is written to; no
 * event tells of that write.
 *
 * So a page that is P_DROPPED carries the time of its last event.  If it is not
 * there it is a hole.  If it is still there a second later no discard is under
 * way any more, and it is RAM like any other.  In between it is in doubt.
 *
 * Where there is no table no word can say so.  Most of the addresses that a
 * program discards never move, so they get no table for it; a few ranges are
 * remembered for as long as they are in doubt, and entered in a table that is
 * made meanwhile.  If there are too many they become one.
 */
#include "core/page/dropped.h"
#include "core/context/context.h"
#include "core/context/kick.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define LOOK_NS (1000 * 1000)
#define ALL_NS	(250 * 1000 * 1000)

/* In steps of a quarter of a second; the numbers repeat after 64 seconds. */
static unsigned now(void)
{
	return (unsigned)(sys_now_ns() >> 28) & 0xff;
}

#define SECOND 4

uint64_t dropped_word(void)
{
	return P_DROPPED | (uint64_t)now() << PAGE_DEV_SHIFT;
}

static bool is_in_doubt(uint64_t w)
{
	return ((now() - page_dev(w)) & 0xff) < SECOND;
}

static bool settle_page(struct uhmm *u, struct block *b, unsigned i,
			bool is_there)
{
	if (!is_there) {
		if (!page_pins(block_word(b, i)))
			block_event(u, b, i, E_HOLE);
		return true;
	}
	if (is_in_doubt(block_word(b, i)))
		return false;
	block_home(u, b, i, E_HOME);
	return true;
}

bool dropped_settle(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	struct mm_set there;
	bool settled = true;

	if (!b->nr[P_DROPPED])
		return true;
	if (u->mm->ops->resident_now(u->mm, b->va, 0, MM_BLOCK_PAGES, &there))
		return false;
	set_for_each(want, i)
		if (page_state(block_word(b, i)) == P_DROPPED)
			settled &= settle_page(u, b, i, set_has(&there, i));
	return settled;
}

/*
 * Also where a table is yet to be made: without one, the discards that were
 * remembered would be found by the mover, which cannot wait.
 */
static bool settle_or_recall(struct uhmm *u, struct block *b,
			     const struct mm_set *want)
{
	bool settled;

	block_lock(b);
	settled = (!atomic_load(&u->dropped.unknown) ||
		   !block_ensure_table(u, b)) &&
		  dropped_settle(u, b, want);
	block_unlock(u, b);
	return settled;
}

void dropped_wait(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	const uint64_t end = sys_now_ns() + ((SECOND + UINT64_C(1)) << 28);
	bool settled;

	do {
		uint32_t seen = atomic_load(&b->settled);

		settled = settle_or_recall(u, b, want);
		if (!settled)
			sys_futex_wait(&b->settled, seen, LOOK_NS);
	} while (!settled && sys_now_ns() < end);
}

/* ---- Ranges without a table --------------------------------------------- */

static bool is_recent(const struct dropped_range *r)
{
	return r->end && sys_now_ns() - r->when < (SECOND + UINT64_C(1)) << 28;
}

/* The entry that touches the range, else an old one, else the first. */
static struct dropped_range *range_for(struct dropped *d, uintptr_t start,
				       uintptr_t end)
{
	struct dropped_range *free = NULL;

	for (unsigned k = 0; k < DROPPED_RANGES; k++) {
		struct dropped_range *r = &d->range[k];

		if (!is_recent(r))
			free = r;
		else if (r->start <= end && start <= r->end)
			return r;
	}
	return free ? free : &d->range[0];
}

void dropped_remember(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct dropped *d = &u->dropped;
	struct dropped_range *r;

	sys_mutex_lock(&d->lock);
	r = range_for(d, start, end);
	if (!is_recent(r)) {
		r->start = start;
		r->end = end;
	}
	r->start = start < r->start ? start : r->start;
	r->end = end > r->end ? end : r->end;
	r->when = sys_now_ns();
	atomic_store(&d->unknown, true);
	sys_mutex_unlock(&d->lock);
	/*
	 * Pairs with dropped_recall(): either the caller sees the block, or
	 * dropped_recall() sees this range.
	 */
	atomic_thread_fence(memory_order_seq_cst);
}

static void recall_range(struct uhmm *u, struct block *b,
			 const struct dropped_range *r)
{
	uintptr_t start = r->start > b->va ? r->start : b->va;
	uintptr_t end = b->va + MM_BLOCK_SIZE;
	struct mm_set managed;

	region_set(u, start, r->end < end ? r->end : end, &managed);
	set_for_each(&managed, i)
		block_event(u, b, i, E_DISCARD);
}

void dropped_recall(struct uhmm *u, struct block *b)
{
	struct dropped *d = &u->dropped;
	bool any = false;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&d->unknown))
		return;
	sys_mutex_lock(&d->lock);
	for (unsigned k = 0; k < DROPPED_RANGES; k++) {
		if (!is_recent(&d->range[k]))
			continue;
		any = true;
		recall_range(u, b, &d->range[k]);
	}
	if (!any)
		atomic_store(&d->unknown, false);
	sys_mutex_unlock(&d->lock);
	if (any)
		dropped_note(u);
}

/* ---- Where RAM is counted ---------------------------------------------- */

void dropped_note(struct uhmm *u)
{
	if (atomic_load_explicit(&u->dropped.any, memory_order_relaxed) ||
	    atomic_exchange(&u->dropped.any, true))
		return;
	policy_kick(u);
}

static bool settle_all(struct uhmm *u)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	bool settled = true;
	struct mm_set all;

	set_fill(&all);
	for (uint32_t k = 0; k < nr; k++) {
		struct block *b = u->blocks[k];

		block_lock(b);
		settled &= dropped_settle(u, b, &all);
		block_unlock(u, b);
	}
	return settled;
}

uint64_t dropped_look(struct uhmm *u)
{
	struct dropped *d = &u->dropped;

	if (!atomic_load(&d->any))
		return 0;
	if (sys_now_ns() - d->looked_ns >= ALL_NS) {
		atomic_store(&d->any, false);
		if (!settle_all(u))
			atomic_store(&d->any, true);
		d->looked_ns = sys_now_ns();
	}
	return atomic_load(&d->any) ? ALL_NS : 0;
}
