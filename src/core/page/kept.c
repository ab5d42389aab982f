/* SPDX-License-Identifier: MIT */
/*
 * kept.c - which frames are good although their pages are on a device.
 *
 * The frame that a page was copied from can be kept, in the slot of its block:
 * the page comes home without a copy then (kept_home.c says which are kept).
 *
 * DOC: When a frame is good
 *
 * A frame is kept as long as the page's word does not change: block.c ends
 * it.  A mirror's fault that gives the device a writable entry ends it too,
 * before the device has the entry (mirror_fault.c).  There is one exception:
 * kept_home.c marks a kept page P_COMING, and the frame stays good until
 * kept_home.c has mapped it.
 *
 * A frame that is kept no more is stock with old data.  The slot goes back to
 * the pool when no frame is kept any more.  Before that, many frames with old
 * data are dropped (kept_tidy()).  Both happen with the mover lock held, so
 * that no other thread is working with the slot.
 *
 * DOC: Frames that pages were copied from
 *
 * A parked page that is touched is copied to its address where moving the frame
 * would cost more, and a parked page may be discarded.  The frame has old data
 * then, and takes RAM for as long as the block has the slot: it counts
 * (@old), and the demoter gives it up before it demotes a page.
 */
#include "core/page/kept.h"
#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

#define SHED_PAGES 64 /* fewer frames with old data are not worth a call */

static void count_kept(struct uhmm *u, struct block *b, int by)
{
	if (!b->nr_kept)
		atomic_fetch_add(&u->slots.nr_keeping, 1);
	b->nr_kept = (uint16_t)(b->nr_kept + by);
	b->kept_delta = (int16_t)(b->kept_delta + by);
	if (!b->nr_kept)
		atomic_fetch_sub(&u->slots.nr_keeping, 1);
}

void kept_add(struct uhmm *u, struct block *b, unsigned i)
{
	set_add(&slot_of(u, b->slot)->kept, i);
	count_kept(u, b, 1);
}

bool kept_has(struct uhmm *u, const struct block *b, unsigned i)
{
	return b->nr_kept && set_has(&slot_of(u, b->slot)->kept, i);
}

void kept_forget(struct uhmm *u, struct block *b, unsigned i)
{
	if (!kept_has(u, b, i))
		return;
	set_del(&slot_of(u, b->slot)->kept, i);
	count_kept(u, b, -1);
	atomic_fetch_add_explicit(&b->spent, 1, memory_order_relaxed);
}

void kept_arrive(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		 uint64_t dpfn, enum page_event event)
{
	block_arrive(u, b, i, dev, dpfn, event);
	kept_add(u, b, i);
	atomic_fetch_sub_explicit(&b->spent, 1, memory_order_relaxed);
}

void kept_park(struct uhmm *u, struct block *b, unsigned i)
{
	block_event(u, b, i, E_PARK);
}

/* ---- Frames with old data ---------------------------------------------- */

static void shed(struct uhmm *u, struct block *b)
{
	struct slot *s = slot_of(u, b->slot);
	struct mm_set old = set_minus(&s->stock, &s->kept);

	set_for_each(&old, i)
		if (page_has(block_word(b, i), PAGE_USES_FRAME))
			set_del(&old, i);
	set_for_each_run(&old, first, last)
		u->mm->ops->drop(u->mm,
				 slot_va(u, b->slot) + first * MM_PAGE_SIZE,
				 last - first);
	s->huge = s->huge && set_empty(&old);
	s->stock = set_minus(&s->stock, &old);
	kept_none_old(u, b);
}

void kept_shed(struct uhmm *u, struct block *b)
{
	block_lock(b);
	if (b->slot != NO_SLOT) {
		shed(u, b);
		block_release_slot(u, b);
	}
	block_unlock(u, b);
}

void kept_shed_all(struct uhmm *u)
{
	block_for_each(u, b) {
		if (!atomic_load_explicit(&b->old, memory_order_relaxed) ||
		    !block_try_mover(b))
			continue;
		kept_shed(u, b);
		block_let_go(u, b);
	}
}

void kept_dropped(struct uhmm *u, struct block *b, unsigned n)
{
	unsigned old = atomic_load(&b->old);

	n = n < old ? n : old;
	atomic_store(&b->old, (uint16_t)(old - n));
	atomic_fetch_sub(&u->slots.old, n);
}

void kept_none_old(struct uhmm *u, struct block *b)
{
	atomic_fetch_sub(&u->slots.old, atomic_exchange(&b->old, 0));
}

void kept_copied(struct uhmm *u, struct block *b, unsigned first, unsigned n)
{
	const struct slot *s = slot_of(u, b->slot);
	unsigned old = 0;

	for (unsigned i = first; i < first + n; i++)
		old += set_has(&s->stock, i);
	atomic_fetch_add(&b->old, (uint16_t)old);
	atomic_fetch_add(&u->slots.old, old);
	if (!b->nr_kept && !block_nr(b, PAGE_USES_FRAME))
		atomic_store(&b->spent, 1);
}

void kept_tidy(struct uhmm *u, struct block *b)
{
	bool in_use = b->nr_kept || block_nr(b, PAGE_USES_FRAME);

	if (in_use && atomic_load(&b->spent) < SHED_PAGES)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (!sys_mutex_trylock(&b->mover))
		return;
	atomic_store(&b->spent, 0);
	if (in_use && b->slot != NO_SLOT)
		shed(u, b);
	else
		block_release_slot(u, b);
	sys_mutex_unlock(&b->mover);
}
