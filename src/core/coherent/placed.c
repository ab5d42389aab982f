/* SPDX-License-Identifier: MIT */
/*
 * placed.c - mappings of device memory come and go: see coherent.c.
 *
 * The mover marks the pages under the block's lock, replaces their mappings
 * without the lock, and then looks at each word again and settles the pages
 * that the application discarded, unmapped or moved meanwhile.
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/page/block.h"
#include "core/page/page.h"

#define SWAP_TRIES 100

void coherent_mark(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		   uint64_t dpfn)
{
	block_arrive(u, b, i, dev, dpfn, E_FETCH);
	block_flag(b, i, PAGE_SWAPPING);
}

static bool is_in_swap(const struct swap *s, unsigned i, enum page_state state)
{
	return (block_word(s->m->b, i) & ~PAGE_DROP) ==
	       (page_on_device(state, s->m->dev->id, s->m->dpfn[i]) |
		PAGE_SWAPPING);
}

static bool is_marked(const struct swap *s, unsigned i)
{
	return is_in_swap(s, i, s->lost ? P_POISONED : P_COMING);
}

/*
 * A discarded page needs no new mapping; a lost one may have a mapping to be
 * taken away.
 */
static bool is_to_swap(const struct swap *s, unsigned i)
{
	return is_marked(s, i) &&
	       (s->lost || !(block_word(s->m->b, i) & PAGE_DROP));
}

/* The end of the run at @i that is consecutive on the device, too. */
static unsigned run_end(const struct swap *s, const struct mm_set *set,
			unsigned i)
{
	do
		i++;
	while (i < MM_BLOCK_PAGES && set_has(set, i) &&
	       s->m->dpfn[i] == s->m->dpfn[i - 1] + 1);
	return i;
}

typedef ssize_t swap_fn(struct mm *mm, struct mm_place *p);

static void swap_run(struct swap *s, swap_fn *fn, unsigned i, unsigned end,
		     uint32_t stamp)
{
	struct uhmm_device *dev = s->m->dev;
	struct mm_place p = {
		.va = block_addr(s->m->b, i),
		.npages = end - i,
		.fd = dev->desc.fd,
		.stamp = stamp,
		.offset = dev->desc.offset + s->m->dpfn[i] * MM_PAGE_SIZE,
		.watched = atomic_load(&dev->watched),
		.announced_too = s->lost || s->must,
	};
	ssize_t n = fn(s->m->u->mm, &p);

	if (n > 0) {
		set_add_run(&s->done, i, i + (unsigned)n);
		atomic_store(&dev->watched, p.watched);
	}
	/* -EAGAIN takes precedence over other errors. */
	if (n < (ssize_t)(end - i) && s->err != -EAGAIN)
		s->err = n < 0 ? (int)n : -EAGAIN;
}

/*
 * The pages that are still marked and not done, and the backend's stamp of the
 * block's mappings, read under the same lock.
 */
static struct mm_set still_marked(const struct swap *s, uint32_t *ret_stamp)
{
	struct mm_set ret = set_minus(&s->set, &s->done);

	block_lock(s->m->b);
	*ret_stamp = s->m->u->mm->ops->stamp(s->m->u->mm, s->m->b->va);
	set_for_each(&s->set, i)
		if (!is_to_swap(s, i))
			set_del(&ret, i);
	block_unlock(s->m->u, s->m->b);
	return ret;
}

/* Mappings are changing, or about to: that may be over soon. */
static bool is_worth_a_try(int err)
{
	return err == -EAGAIN || err == -EBUSY;
}

/*
 * Replace the mappings of all marked pages.  Without locks.  @s->done: pages
 * that have their new mapping; @s->err: why others have not.
 */
static void swap_all(struct swap *s, swap_fn *fn)
{
	set_clear(&s->done);
	s->err = -EAGAIN;
	for (int tries = 0; tries < SWAP_TRIES && is_worth_a_try(s->err);
	     tries++) {
		uint32_t stamp;
		struct mm_set todo = still_marked(s, &stamp);

		if (tries)
			sys_yield();
		s->err = 0;
		for (unsigned i = set_find(&todo, 0, true);
		     i < MM_BLOCK_PAGES;) {
			unsigned end = run_end(s, &todo, i);

			swap_run(s, fn, i, end, stamp);
			i = set_find(&todo, end, true);
		}
	}
}

/*
 * Page @i becomes P_COHERENT (@placed) or P_DEVICE.  If it was discarded
 * meanwhile, it is freed, or to be wiped if @placed.
 */
static void settle_swapped(struct swap *s, unsigned i, bool placed)
{
	bool dropped = block_word(s->m->b, i) & PAGE_DROP;

	if (!placed && dropped) {
		block_event(s->m->u, s->m->b, i, E_DISCARD);
		move_spare(s->m, s->m->dpfn[i]);
		return;
	}
	block_arrive(s->m->u, s->m->b, i, s->m->dev->id, s->m->dpfn[i],
		     placed ? E_PLACE : E_STAY);
	if (!dropped)
		return;
	block_drop_later(s->m->b, i);
	set_add(&s->wipe, i);
}

/*
 * The application unmapped or moved page @i.  Free the device page unless it
 * left with its mapping.
 */
static void settle_gone(struct swap *s, unsigned i)
{
	if (!carried_take(s->m->u, s->m->dev->id, s->m->dpfn[i]))
		move_spare(s->m, s->m->dpfn[i]);
}

/* ---- Lost with their device -------------------------------------------- */

void coherent_mark_lost(struct uhmm *u, struct block *b, unsigned i, uint64_t w)
{
	block_arrive(u, b, i, page_dev(w), page_dpfn(w), E_LOSE);
	block_flag(b, i, PAGE_SWAPPING | (w & PAGE_DROP));
}

void coherent_move_lost(struct uhmm *u, struct block *b, unsigned i, uint64_t w)
{
	block_move_in(u, b, i,
		      page_on_device(P_POISONED, page_dev(w), page_dpfn(w)) |
			      PAGE_SWAPPING | PAGE_ORPHAN | (w & PAGE_DROP));
	atomic_store(&device_get(u, page_dev(w))->has_orphans, true);
}

/*
 * Page @i is lost; its mapping was taken away, or could not be and stays.
 * Caller holds b->lock.
 */
static void end_loss(struct swap *s, unsigned i)
{
	bool dropped = block_word(s->m->b, i) & PAGE_DROP;

	block_event(s->m->u, s->m->b, i, E_LOSE);
	if (!set_has(&s->done, i))
		return;
	if (dropped)
		block_event(s->m->u, s->m->b, i, E_DISCARD);
	else
		s->m->u->mm->ops->poison(s->m->u->mm, block_addr(s->m->b, i),
					 1);
}

static void lose_mapped(struct swap *s)
{
	struct uhmm *u = s->m->u;

	s->lost = true;
	swap_all(s, u->mm->ops->unplace);
	block_lock(s->m->b);
	set_for_each(&s->set, i)
		if (is_marked(s, i))
			end_loss(s, i);
	coherent_count(u, s->m->b);
	block_unlock(u, s->m->b);
	block_settle(u, s->m->b, true);
	if (s->err && s->err != -ENOENT)
		sys_logf(&u->log, SYS_ERR,
			 "lost pages near %#lx stay mapped: %s",
			 (unsigned long)s->m->b->va, sys_error(s->err));
}

/*
 * Take over the orphans of m->dev in the block.  Return: whether there are any.
 */
static bool take_orphans(struct move *m)
{
	struct block *b = m->b;

	block_lock(b);
	for (unsigned i = 0; b->nr[P_POISONED] && i < MM_BLOCK_PAGES; i++) {
		uint64_t w = block_word(b, i);

		if (page_state(w) != P_POISONED || !(w & PAGE_ORPHAN) ||
		    page_dev(w) != m->dev->id)
			continue;
		coherent_mark_lost(m->u, b, i, w);
		m->dpfn[i] = page_dpfn(w);
		set_add(&m->set, i);
	}
	block_unlock(m->u, b);
	return !set_empty(&m->set);
}

static void lose_orphans_of(struct uhmm_device *dev, struct block *b)
{
	struct move m;

	move_init(&m, dev->u, b, dev);
	if (take_orphans(&m)) {
		struct swap s = { .m = &m, .set = m.set };

		lose_mapped(&s);
	}
}

void coherent_lose_orphans(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	while (atomic_exchange(&dev->has_orphans, false))
		block_for_each(u, b)
			lose_orphans_of(dev, b);
}

void coherent_lose(struct swap *s)
{
	lose_mapped(s);
	coherent_lose_orphans(s->m->dev);
}

/*
 * Take away the mappings of pages that were lost while this mover replaced
 * their mappings.
 */
static void lose_swapped(const struct swap *s)
{
	struct swap lost = { .m = s->m };

	block_lock(s->m->b);
	set_for_each(&s->set, i)
		if (is_in_swap(s, i, P_POISONED))
			set_add(&lost.set, i);
	block_unlock(s->m->u, s->m->b);
	if (!set_empty(&lost.set))
		coherent_lose(&lost);
	else
		coherent_lose_orphans(s->m->dev);
}

/* ---- There and back ----------------------------------------------------- */

/*
 * Called with the block's lock held, returns with it released.  The spare
 * device pages are freed last, when nothing maps them any more.
 */
static void finish_unlock(struct swap *s) LETS_GO(s->m->b->lock)
{
	coherent_count(s->m->u, s->m->b);
	block_unlock(s->m->u, s->m->b);
	if (!set_empty(&s->wipe))
		coherent_wipe(s->m->u, s->m->b, &s->wipe);
	lose_swapped(s);
	move_free_spare(s->m);
}

void coherent_place(struct swap *s)
{
	swap_all(s, s->m->u->mm->ops->place);
	block_lock(s->m->b);
	set_for_each(&s->set, i) {
		if (is_marked(s, i))
			settle_swapped(s, i, set_has(&s->done, i));
		else
			settle_gone(s, i);
	}
	finish_unlock(s);
	block_settle(s->m->u, s->m->b, false);
}

void coherent_unplace(struct swap *s, const struct mm_set *placed)
{
	swap_all(s, s->m->u->mm->ops->unplace);
	block_lock(s->m->b);
	set_for_each(&s->set, i) {
		bool done = set_has(&s->done, i);

		if (!is_marked(s, i)) {
			settle_gone(s, i);
			set_del(&s->done, i);
		} else if (!done) {
			settle_swapped(s, i, set_has(placed, i));
		} else if (block_word(s->m->b, i) & PAGE_DROP) {
			settle_swapped(s, i, false);
			set_del(&s->done, i);
		} else {
			block_unflag(s->m->b, i, PAGE_SWAPPING);
		}
	}
	finish_unlock(s);
}
