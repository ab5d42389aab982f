/* SPDX-License-Identifier: MIT */
/*
 * remap.c - the application moved a mapping: the words of its pages follow.
 *
 * A page in a frame gets a frame in its new block.  If a mover was about to
 * take the page by its mapping, the page went along with the remap, or is in
 * the mover's frame: move_stashing() finds out.  If a mover is at the place
 * where the page came to, beside_mover() leaves word for that mover.
 *
 * A remap waits for a copy home (wait_while_coming_unlock()), and for devices
 * to let go of what they have to themselves (event_lock_revoked()).
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fault/event.h"
#include "core/fault/fault.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "core/page/slot.h"

#define REMAP_TRIES 100000 /* until a slot or a table can be had */

/* One page that changed its address. */
struct remap {
	struct uhmm *u;
	struct block *from, *to;
	unsigned i, k;
	uint64_t gone;	    /* the word of a device page to be freed, or 0 */
	struct mm_set mine; /* has @i once it was revoked, see event.h */
};

/* No other code holds two blocks' locks, and events run one at a time. */
static void lock_both(struct remap *r) NOT_GUARDED
{
	event_lock_revoked(r->u, r->from, r->i, r->i + 1, UHMM_NOTIFY_UNMAP,
			   &r->mine);
	if (r->to != r->from)
		sys_mutex_lock_second(&r->to->lock);
}

static void unlock_both(const struct remap *r) NOT_GUARDED
{
	bool twins = r->to != r->from && r->to->twins;

	if (r->to != r->from)
		block_unlock_second(r->u, r->to);
	block_unlock(r->u, r->from);
	if (!twins)
		return;
	block_lock(r->to); /* for those that have ended */
	block_unlock(r->u, r->to);
}

/* Is page @i of the block or slot at @va there?  1, 0 or -errno. */
static int is_there(struct uhmm *u, uintptr_t va, unsigned i)
{
	struct mm_set there;
	int err = u->mm->ops->resident(u->mm, va, i, i + 1, &there);

	return err ? err : set_has(&there, i);
}

static int has_arrived(const struct remap *r)
{
	return is_there(r->u, r->to->va, r->k);
}

/*
 * A page that counts as discarded was moved: it may be in use again, and what
 * was discarded is not at the new address.
 */
static uint64_t freed_beside_mover(const struct remap *r, uint64_t w)
{
	return page_pins(w) << PAGE_PIN_SHIFT |
	       (has_arrived(r) > 0 ? PAGE_CHARGED : 0);
}

/*
 * A page with word @w was moved over one that a mover is taking.  Return: the
 * word for the mover, see was_replaced() in out_stash.c.
 */
static uint64_t beside_mover(struct remap *r, uint64_t w)
{
	const uint64_t mark = P_STASHING | PAGE_GONE | PAGE_NEW;

	switch (page_state(w)) {
	case P_RAM:
		return mark | w;
	case P_DROPPED:
		return mark | freed_beside_mover(r, w);
	case P_CLEAN:
		r->gone = w;
		return mark | PAGE_CHARGED | PAGE_MARKED;
	case P_COHERENT: /* a page of a site moves like RAM */
		if (!site_has(r->u, w))
			return w;
		r->gone = w;
		return mark | PAGE_CHARGED;
	default: /* no page is there that the mover could take */
		return w;
	}
}

/* Caller holds both locks. */
static void put_moved(struct remap *r, uint64_t w)
{
	if (page_state(block_word(r->to, r->k)) == P_STASHING)
		w = beside_mover(r, w);
	block_move_in(r->u, r->to, r->k, w);
}

/* The page moved with its mapping; only a mover there has to know. */
static void put_plain(struct uhmm *u, uintptr_t to)
{
	struct remap r = { .u = u, .k = page_index(to) };

	r.to = block_find(u, to);
	if (!r.to)
		return;
	block_lock(r.to);
	if (page_state(block_word(r.to, r.k)) == P_STASHING)
		put_moved(&r, P_RAM);
	block_unlock(u, r.to);
}

/* Frames stay with their block; the moved page gets a frame in its new one. */
static int move_frame(struct remap *r, const char *data)
{
	struct block *to = r->to;
	struct mm_set one;

	set_clear(&one);
	set_add(&one, r->k);
	if (to->slot == NO_SLOT)
		to->slot = slot_get_empty(r->u, &one);
	if (to->slot == NO_SLOT)
		return -ENOMEM;
	debug_race_begins(); /* a mover may still copy what was there before */
	sys_copy((char *)block_slot_va(r->u, to) + r->k * MM_PAGE_SIZE, data,
		 MM_PAGE_SIZE);
	debug_race_ends();
	if (set_has(&slot_of(r->u, to->slot)->stock, r->k))
		kept_dropped(r->u, to, 1);
	set_add(&slot_of(r->u, to->slot)->stock, r->k);
	block_move_in(r->u, to, r->k, P_FROZEN);
	return 0;
}

static const char *frame_of(const struct remap *r)
{
	return (char *)block_slot_va(r->u, r->from) + r->i * MM_PAGE_SIZE;
}

static bool is_in_frame(const struct remap *r)
{
	return is_there(r->u, block_slot_va(r->u, r->from), r->i) > 0;
}

/* Did the page that @w describes move into the frame after its mapping? */
static bool is_late(const struct remap *r, uint64_t w)
{
	if (page_came_marked(w)) /* there, or in the frame */
		return has_arrived(r) == 0;
	return r->from->stash && set_has(&r->from->stash->late, r->i);
}

/*
 * The page's mapping was to move into the frame.  If mremap came first the page
 * went along, perhaps marked.  The mover finds the word changed and gives up.
 * Another mover may have taken a page that was marked before: then the page is
 * in the frame of that mover.
 */
static int move_stashing(struct remap *r, uint64_t w)
{
	uint64_t there = P_RAM | (w & PAGE_CHARGED);

	if (w & PAGE_AWAY)
		there = page_on_device(P_DEVICE, page_dev(w), page_dpfn(w));
	else if (w & PAGE_DROP)
		there = dropped_word();
	else if (is_late(r, w) == !!(w & PAGE_NEW) && is_in_frame(r))
		return move_frame(r, frame_of(r));
	else if (w & PAGE_MARKED || has_arrived(r) > 0)
		there |= PAGE_MARKED;
	put_moved(r, there);
	return 0;
}

/* Was the page on a device that has been lost since? */
static bool is_lost(const struct remap *r, uint64_t w)
{
	return page_is_away(w) &&
	       device_has_lost(device_get(r->u, page_dev(w)), page_dpfn(w));
}

/* The page is lost.  Its mapping may have moved; a mover frees its dpfn. */
static void lose_moved(struct remap *r, uint64_t w)
{
	count_add(&r->u->count.poisoned, 1);
	if (coherent_is_mapped(r->u, w))
		coherent_move_lost(r->u, r->to, r->k, w);
	else
		block_move_in(r->u, r->to, r->k, P_POISONED);
	event_forget_page(r->u, r->from, r->i);
	if (event_owns_dpfn(w))
		r->gone = w;
}

/*
 * A range that was to be given up has lost the protection of its pages, and of
 * those that came there meanwhile: a write to this page may go unseen.
 */
static void move_clean(struct remap *r, uint64_t w)
{
	if (!r->u->mm->was_unprotected) {
		put_moved(r, w);
		return;
	}
	r->gone = w;
	put_moved(r, P_RAM | (w & PAGE_CHARGED) | PAGE_MARKED);
}

/* Make the page what it was, at its new address.  Return: 0, -ENOMEM. */
static int arrive_moved(struct remap *r, uint64_t w)
{
	if (page_has(w, PAGE_IN_FRAME))
		return move_frame(r, frame_of(r));
	switch (page_state(w)) {
	case P_STASHING:
		return move_stashing(r, w);
	case P_CLEARING:
		block_move_in(r->u, r->to, r->k, P_EMPTY);
		break;
	case P_COMING: /* its mapping is being replaced */
		block_move_in(r->u, r->to, r->k,
			      coherent_carry(r->u, w, block_addr(r->to, r->k)));
		break;
	case P_POISONED:
		if (w & PAGE_SWAPPING)
			coherent_move_lost(r->u, r->to, r->k, w);
		else
			block_move_in(r->u, r->to, r->k, w);
		break;
	case P_CLEAN:
		move_clean(r, w);
		break;
	default:
		put_moved(r, w);
	}
	return 0;
}

/* Caller holds both locks.  Return: 0, -ENOMEM. */
static int move_page(struct remap *r, uint64_t w)
{
	int err = block_ensure_table(r->u, r->to);

	if (err)
		return err;
	if (is_lost(r, w)) {
		lose_moved(r, w);
		return 0;
	}
	err = arrive_moved(r, w);
	if (!err)
		event_forget_page(r->u, r->from, r->i);
	return err;
}

/* Unlock, and wait: a copy home ends without our help. */
static void wait_while_coming_unlock(const struct remap *r)
{
	uint32_t seen = atomic_load(&r->from->settled);

	atomic_store(&r->from->waiting, 1);
	unlock_both(r);
	sys_futex_wait(&r->from->settled, seen, 1000 * 1000);
}

/* Unlocks.  Return: 0; -EAGAIN after a wait; -ENOMEM. */
static int try_remap(struct remap *r)
{
	struct mm_set wipe;
	uint64_t w;
	int err;

	set_clear(&wipe);
	lock_both(r);
	w = block_word(r->from, r->i);
	if (page_state(w) == P_COMING &&
	    !(w & PAGE_SWAPPING && coherent_may_carry(r->u))) {
		wait_while_coming_unlock(r);
		return -EAGAIN;
	}
	err = w ? move_page(r, w) : 0;
	if (block_word(r->to, r->k) & PAGE_DROP)
		set_add(&wipe, r->k);
	unlock_both(r);
	if (!set_empty(&wipe))
		coherent_wipe(r->u, r->to, &wipe);
	if (r->gone)
		device_free_words(r->u, &r->gone, 1);
	return err;
}

static bool is_plain(struct uhmm *u, struct block *b, unsigned i)
{
	bool plain;

	block_lock(b);
	plain = !block_word(b, i);
	block_unlock(u, b);
	return plain;
}

/* A page that is lost is not revoked any more: its unmap would wait. */
static void give_up_page(struct uhmm *u, struct block *b, unsigned i)
{
	block_lock(b);
	if (page_state(block_word(b, i)) == P_REVOKING)
		block_event(u, b, i, E_PARK);
	block_unlock(u, b);
}

static void remap_page(struct uhmm *u, uintptr_t from, uintptr_t to)
{
	struct remap r = { .u = u, .i = page_index(from), .k = page_index(to) };
	struct sys_wait w = { .all = &u->waits,
			      .what = "a page that moves with its mapping at",
			      .at = from };
	int err = -ENOMEM;

	r.from = block_find(u, from);
	if (!r.from || is_plain(u, r.from, r.i)) {
		put_plain(u, to);
		return;
	}
	for (int tries = 0; err && tries < REMAP_TRIES;
	     tries += err == -ENOMEM) {
		r.to = block_get(u, to);
		err = r.to ? try_remap(&r) : -ENOMEM;
		if (!err)
			break;
		sys_wait_note(&w);
		sys_yield();
	}
	sys_wait_end(&w);
	if (!err)
		return;
	give_up_page(u, r.from, r.i);
	sys_logf(&u->log, SYS_ERR, "page %#lx is lost: no memory to move it",
		 (unsigned long)from);
}

/* The memory keeps its data, but no sync finds it any more. */
static void tell_of_file(struct uhmm *u, uintptr_t from)
{
	const struct block *b = block_find(u, from);

	if (b && block_file(b))
		sys_logf(&u->log, SYS_WARN,
			 "mremap(2) moved memory of a mapped file at %#lx: it "
			 "is written back no more",
			 (unsigned long)from);
}

void core_remap(void *priv, uintptr_t from, uintptr_t to, size_t len)
{
	struct uhmm *u = priv;

	tell_of_file(u, from);
	mirror_invalidate(u, from, from + len, UHMM_NOTIFY_UNMAP);
	for (size_t off = 0; off < len; off += MM_PAGE_SIZE) {
		if (!off || !page_index(to + off))
			charge_follow(u, from + off, to + off);
		remap_page(u, from + off, to + off);
	}
	core_unmap(u, from, from + len);
	if (region_add(u, to, to + len))
		sys_logf(&u->log, SYS_ERR, "no memory to manage a range");
}
