/* SPDX-License-Identifier: MIT */
/*
 * out.c - pages of one block leave for a device.
 *
 * DOC: Steps
 *
 *	1  select   which pages can go, and a device page for each
 *	2  freeze   take them from the CPU; from here on their data stand still
 *	3  copy     by the provider, without locks.  The CPU may touch a page
 *		    meanwhile: it is mapped again at once, from its frame, and
 *		    the copy is in vain
 *	4  remove   pages frozen in place leave their address
 *	5  arrive   pages that are still ours are on the device now; the
 *		    others' device pages are freed
 *
 * Until step 5 the frame, or the page itself, is the truth: whatever fails
 * before is undone by mapping it again.
 */
#include <errno.h>

#include "core/core.h"

#define FREEZE_TRIES 1000

/*
 * @room: pages that may go, as far as the device has room
 * @framed, @held, @zero: frozen in frames, in place, or nothing there
 * @done: copied to the device
 * @dpfn: for each page of the three; @spare: for those that did not go
 */
struct out {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *dev;
	uint8_t *why;
	enum out_how how;
	struct mm_freeze f;
	struct mm_set frozen, empty;
	struct mm_set framed, held, zero, done;
	unsigned nspare;
	unsigned went;
	uint64_t dpfn[MM_BLOCK_PAGES]; /* from here on not initialized */
	uint64_t spare[MM_BLOCK_PAGES];
	struct uhmm_segment seg[MM_BLOCK_PAGES];
};

static void out_init(struct out *o, struct uhmm *u, struct block *b)
{
	memset(o, 0, offsetof(struct out, dpfn));
	o->u = u;
	o->b = b;
}

static void set_why(struct out *o, unsigned i, enum uhmm_why why)
{
	if (o->why)
		o->why[i] = (uint8_t)why;
	if (why != UHMM_WHY_OK)
		count_add(&o->u->count.refused, 1);
}

/* ---- 1: select -------------------------------------------------------- */

/* Dropped pages may not be gone yet; those that are, are known holes. */
static void sort_out_dropped(struct out *o, const struct mm_set *want)
{
	struct mm_set there;
	struct block *b = o->b;

	if (!b->nr[P_DROPPED] ||
	    o->u->mm->ops->resident(o->u->mm, b->va, &there))
		return;
	set_for_each(want, i)
		if (page_state(block_word(b, i)) == P_DROPPED &&
		    !set_has(&there, i) && !page_pins(block_word(b, i)))
			block_event(o->u, b, i, E_HOLE);
}

static void select_ram(struct out *o, unsigned i)
{
	if (page_pins(block_word(o->b, i)))
		set_why(o, i, UHMM_WHY_PINNED);
	else
		set_add(&o->f.want, i);
}

static void select_page(struct out *o, unsigned i, enum out_how how)
{
	uint64_t w = block_word(o->b, i);

	if (how == OUT_DEMOTE && page_state(w) != P_FROZEN)
		return;
	switch (page_state(w)) {
	case P_RAM:
		select_ram(o, i);
		break;
	case P_FROZEN:
		set_add(&o->frozen, i);
		break;
	case P_EMPTY:
		set_add(&o->empty, i);
		break;
	case P_DEVICE:
		set_why(o, i,
			page_dev(w) == o->dev->id ? UHMM_WHY_OK :
						    UHMM_WHY_BUSY);
		break;
	case P_POISONED:
		set_why(o, i, UHMM_WHY_POISONED);
		break;
	default:
		set_why(o, i, page_pins(w) ? UHMM_WHY_PINNED : UHMM_WHY_BUSY);
	}
}

/* Keep the first @room of the selected pages. */
static void cut_to_room(struct out *o, unsigned room)
{
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++) {
		if (!set_has(&o->f.want, i) && !set_has(&o->frozen, i) &&
		    !set_has(&o->empty, i))
			continue;
		if (room) {
			room--;
			continue;
		}
		set_del(&o->f.want, i);
		set_del(&o->frozen, i);
		set_del(&o->empty, i);
		set_why(o, i, UHMM_WHY_NO_ROOM);
	}
}

static unsigned nr_selected(const struct out *o)
{
	return set_count(&o->f.want) + set_count(&o->frozen) +
	       set_count(&o->empty);
}

static bool select_pages(struct out *o, const struct mm_set *want,
			 enum out_how how)
{
	unsigned n;

	sort_out_dropped(o, want);
	set_for_each(want, i)
		select_page(o, i, how);
	n = nr_selected(o);
	if (!n)
		return false;
	o->nspare = pagemap_alloc(&o->dev->pagemap, n, o->spare);
	if (o->nspare < n)
		cut_to_room(o, o->nspare);
	return o->nspare > 0;
}

/* ---- 2: freeze -------------------------------------------------------- */

static void note_frozen(struct out *o)
{
	struct slot *s = slot_of(o->u, o->b->slot);

	s->stock = set_or(&s->stock, &o->f.framed);
	if (o->f.huge) {
		s->huge = true;
		o->b->huge = true;
	}
	if (!set_empty(&o->f.framed) && !o->f.huge)
		o->b->huge = false;
}

/* Pages that were wanted but neither frozen nor empty. */
static void note_refused(struct out *o)
{
	struct mm_set taken = set_or(&o->f.framed, &o->f.inplace);
	struct mm_set rest;

	taken = set_or(&taken, &o->f.holes);
	rest = set_minus(&o->f.want, &taken);
	set_for_each(&rest, i)
		set_why(o, i, o->f.why[i] ? o->f.why[i] : UHMM_WHY_BUSY);
}

static void assign_dpfns(struct out *o)
{
	struct mm_set all = set_or(&o->framed, &o->held);
	unsigned next = 0;

	all = set_or(&all, &o->zero);
	set_for_each(&all, i)
		o->dpfn[i] = o->spare[next++];
	for (unsigned i = next; i < o->nspare; i++)
		o->spare[i - next] = o->spare[i];
	o->nspare -= next;
}

static void enter_states(struct out *o)
{
	struct block *b = o->b;

	set_for_each(&o->f.holes, i)
		block_event(o->u, b, i, E_HOLE);
	o->framed = set_or(&o->f.framed, &o->frozen);
	o->held = o->f.inplace;
	o->zero = set_or(&o->empty, &o->f.holes);
	set_for_each(&o->framed, i)
		block_event(o->u, b, i, E_TAKE);
	set_for_each(&o->held, i)
		block_event(o->u, b, i, E_HOLD);
	set_for_each(&o->zero, i)
		block_event(o->u, b, i, E_CLEAR);
}

/*
 * A page that was copied home left its frame behind, and no page can move onto
 * it: the block may have kept its slot since, for others that are frozen.
 */
static void empty_frames(struct out *o)
{
	struct slot *s = slot_of(o->u, o->b->slot);
	struct mm_set left = set_and(&s->stock, &o->f.want);

	if (set_empty(&left) || !o->u->mm->can_move)
		return;
	set_for_each_run(&left, first, last)
		o->u->mm->ops->drop(o->u->mm, o->f.slot + first * MM_PAGE_SIZE,
				    last - first);
	s->stock = set_minus(&s->stock, &left);
	s->huge = false;
}

static int try_freeze(struct out *o)
{
	o->f.va = o->b->va;
	o->f.slot = block_slot_va(o->u, o->b);
	o->f.shared = o->how == OUT_EVICT;
	if (set_empty(&o->f.want))
		return 0;
	empty_frames(o);
	return o->u->mm->ops->freeze(o->u->mm, &o->f);
}

static void reset(struct out *o)
{
	device_free(o->dev, o->spare, o->nspare);
	o->nspare = 0;
	memset(&o->f, 0, sizeof(o->f));
	set_clear(&o->frozen);
	set_clear(&o->empty);
}

/* @b->slot is set before anything is frozen; the mover lock keeps it. */
static int give_slot(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	uint32_t slot;
	bool has;

	block_lock(b);
	has = b->slot != NO_SLOT;
	block_unlock(u, b);
	if (has)
		return 0;
	slot = slot_get_empty(u, want);
	if (slot == NO_SLOT)
		return -ENOMEM;
	block_lock(b);
	has = b->slot != NO_SLOT; /* a frozen page was moved here meanwhile */
	if (!has)
		b->slot = slot;
	block_unlock(u, b);
	if (has)
		slot_put(u, slot);
	return 0;
}

void out_release_slot(struct uhmm *u, struct block *b)
{
	uint32_t slot = b->slot;

	if (slot == NO_SLOT || b->nr[P_FROZEN] || b->nr[P_LEAVING] ||
	    b->nr[P_HELD] || b->nr[P_ZAPPING])
		return;
	b->slot = NO_SLOT;
	slot_put(u, slot);
}

/*
 * What was managed when the caller looked may not be any more, and something
 * new be there.  From here on it cannot change unseen: a pending event makes
 * freeze() fail, and whoever unregisters is the mover.  Locked.
 */
static struct mm_set still_managed(struct out *o, const struct mm_set *want)
{
	struct mm_set managed, gone;

	region_set(o->u, o->b->va, o->b->va + MM_BLOCK_SIZE, &managed);
	gone = set_minus(want, &managed);
	set_for_each(&gone, i)
		set_why(o, i, UHMM_WHY_UNMAPPED);
	return set_and(want, &managed);
}

/*
 * Select and freeze under the block's lock.  Return: 0 to go on, 1 when there
 * is nothing to do, -errno.
 */
static int freeze_pages(struct out *o, const struct mm_set *want,
			enum out_how how)
{
	struct block *b = o->b;
	struct mm_set mine;
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < FREEZE_TRIES; tries++) {
		if (tries)
			sys_yield();
		reset(o);
		block_lock(b);
		err = block_ensure_table(o->u, b);
		mine = still_managed(o, want);
		if (!err && !select_pages(o, &mine, how))
			err = 1;
		if (!err)
			err = try_freeze(o);
		if (!err) {
			note_frozen(o);
			note_refused(o);
			enter_states(o);
			assign_dpfns(o);
		}
		block_unlock(o->u, b);
	}
	return err;
}

/* ---- 3: copy ---------------------------------------------------------- */

static unsigned build_segments(struct out *o, const struct mm_set *set)
{
	uintptr_t slot = block_slot_va(o->u, o->b);
	unsigned nr = 0;

	set_for_each(set, i)
		nr = segment_add(o->seg, nr, o->dpfn[i],
				 (void *)(slot + i * MM_PAGE_SIZE));
	return nr;
}

/* Pages [first, last) of it. */
static struct mm_set part(const struct mm_set *set, unsigned first,
			  unsigned last)
{
	struct mm_set range;

	set_clear(&range);
	set_add_run(&range, first, last);
	return set_and(set, &range);
}

/*
 * Copy the pages of @set in [first, last).  When that fails, by halves: one
 * bad page, or a device that is nearly full, must not hold back the others.
 */
static void copy_pages(struct out *o, const struct mm_set *set, unsigned first,
		       unsigned last)
{
	unsigned nr = build_segments(o, set);
	unsigned mid = first + (last - first) / 2;
	struct mm_set half;

	if (!nr)
		return;
	if (!device_copy_in(o->dev, o->seg, nr)) {
		o->done = set_or(&o->done, set);
		return;
	}
	if (last - first == 1)
		return;
	half = part(set, first, mid);
	copy_pages(o, &half, first, mid);
	half = part(set, mid, last);
	copy_pages(o, &half, mid, last);
}

static void clear_pages(struct out *o)
{
	uint64_t list[MM_BLOCK_PAGES];
	unsigned n = 0;

	set_for_each(&o->zero, i)
		list[n++] = o->dpfn[i];
	if (!device_clear(o->dev, list, n))
		o->done = set_or(&o->done, &o->zero);
}

static void copy_all(struct out *o)
{
	struct mm_set held = o->held, all = set_or(&o->framed, &o->held);

	if (!set_empty(&held)) {
		struct slot *s = slot_of(o->u, o->b->slot);

		s->stock = set_or(&s->stock, &held);
		o->u->mm->ops->copy_out(o->u->mm, o->b->va,
					block_slot_va(o->u, o->b), &held);
	}
	copy_pages(o, &all, 0, MM_BLOCK_PAGES);
	held = set_minus(&o->held, &held); /* could not be read: not copied */
	o->done = set_minus(&o->done, &held);
	clear_pages(o);
}

/* ---- 4: remove -------------------------------------------------------- */

static void zap_held(struct out *o)
{
	struct mm_set zap = set_and(&o->held, &o->done);
	struct mm_set gone;
	struct block *b = o->b;

	if (set_empty(&zap))
		return;
	block_lock(b);
	set_for_each(&zap, i) {
		if (page_state(block_word(b, i)) == P_HELD)
			block_event(o->u, b, i, E_ZAP);
		else
			set_del(&zap, i);
	}
	block_unlock(o->u, b);
	gone = zap;
	o->u->mm->ops->commit(o->u->mm, b->va, &gone);
	zap = set_minus(&zap, &gone);
	o->done = set_minus(&o->done, &zap); /* mlock(2) kept them */
}

/* ---- 5: arrive -------------------------------------------------------- */

static void spare_dpfn(struct out *o, unsigned i)
{
	o->spare[o->nspare++] = o->dpfn[i];
}

static void arrive(struct out *o, unsigned i)
{
	block_arrive(o->u, o->b, i, o->dev->id, o->dpfn[i], E_ARRIVE);
	set_why(o, i, UHMM_WHY_OK);
	o->went++;
}

static void settle_framed(struct out *o, unsigned i)
{
	if (page_state(block_word(o->b, i)) != P_LEAVING) {
		set_why(o, i, UHMM_WHY_TOUCHED);
		count_add(&o->u->count.touched, 1);
		spare_dpfn(o, i);
	} else if (set_has(&o->done, i)) {
		arrive(o, i);
	} else {
		set_why(o, i, UHMM_WHY_IO);
		spare_dpfn(o, i);
		if (home_thaw(o->u, o->b, i, i + 1) < 1)
			block_event(o->u, o->b, i, E_PARK);
	}
}

static void unhold(struct out *o, unsigned i, enum uhmm_why why)
{
	uintptr_t va = o->b->va + i * MM_PAGE_SIZE;

	set_why(o, i, why);
	block_home(o->u, o->b, i, E_HOME);
	o->u->mm->ops->unprotect(o->u->mm, va, 1);
	spare_dpfn(o, i);
}

static void settle_held(struct out *o, unsigned i)
{
	uint64_t w = block_word(o->b, i);

	switch (page_state(w)) {
	case P_HELD:
		unhold(o, i, UHMM_WHY_IO);
		break;
	case P_ZAPPING:
		if (w & PAGE_ZAP_DROP) { /* discarded while we removed it */
			block_event(o->u, o->b, i, E_HOLE);
			set_why(o, i, UHMM_WHY_TOUCHED);
			spare_dpfn(o, i);
		} else if (set_has(&o->done, i)) {
			arrive(o, i);
		} else {
			unhold(o, i, UHMM_WHY_LOCKED);
		}
		break;
	default:
		set_why(o, i, UHMM_WHY_TOUCHED);
		count_add(&o->u->count.touched, 1);
		spare_dpfn(o, i);
	}
}

static void settle_zero(struct out *o, unsigned i)
{
	if (page_state(block_word(o->b, i)) != P_CLEARING) {
		set_why(o, i, UHMM_WHY_TOUCHED);
		spare_dpfn(o, i);
	} else if (set_has(&o->done, i)) {
		arrive(o, i);
	} else {
		block_event(o->u, o->b, i, E_STAY);
		set_why(o, i, UHMM_WHY_IO);
		spare_dpfn(o, i);
	}
}

/* Pages between those we held became write-protected with them. */
static void free_bystanders(struct out *o)
{
	struct block *b = o->b;

	if (o->f.wider && !b->nr[P_HELD] && !b->nr[P_ZAPPING])
		o->u->mm->ops->unprotect(o->u->mm, b->va, MM_BLOCK_PAGES);
}

static void settle_all(struct out *o)
{
	unsigned copied;

	block_lock(o->b);
	set_for_each(&o->framed, i)
		settle_framed(o, i);
	set_for_each(&o->held, i)
		settle_held(o, i);
	copied = o->went;
	set_for_each(&o->zero, i)
		settle_zero(o, i);
	free_bystanders(o);
	out_release_slot(o->u, o->b);
	block_unlock(o->u, o->b);
	block_settle(o->u, o->b, false);
	count_add(&o->u->count.to_device, copied);
	device_free(o->dev, o->spare, o->nspare);
	o->nspare = 0;
}

/* ---- 2, for a whole block where pages cannot be moved one by one ------- */

static bool is_stashable(struct out *o)
{
	struct mm_set there;

	if (o->b->nr_pinned ||
	    o->u->mm->ops->resident(o->u->mm, o->b->va, &there))
		return false;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (page_state(block_word(o->b, i)) != P_RAM)
			return false;
	return set_count(&there) > MM_BLOCK_PAGES / 2;
}

/*
 * Faults wait while the mapping changes, as for a removal; but there is no
 * discard of our own, so that the first one is the application's.
 */
static bool mark_stashing(struct out *o)
{
	struct block *b = o->b;
	bool ok;

	block_lock(b);
	ok = !block_ensure_table(o->u, b) && is_stashable(o);
	if (ok)
		o->nspare = pagemap_alloc(&o->dev->pagemap, MM_BLOCK_PAGES,
					  o->spare);
	ok = ok && o->nspare == MM_BLOCK_PAGES;
	for (unsigned i = 0; ok && i < MM_BLOCK_PAGES; i++) {
		block_event(o->u, b, i, E_HOLD);
		block_event(o->u, b, i, E_ZAP);
		b->table[i] |= PAGE_ZAP_SEEN;
	}
	block_unlock(o->u, b);
	return ok;
}

static void stashed(struct out *o, unsigned i, int err)
{
	uint64_t w = block_word(o->b, i);

	if (page_state(w) != P_ZAPPING)
		return;
	if (!err && !(w & PAGE_ZAP_DROP)) {
		block_event(o->u, o->b, i, E_TAKE);
		set_add(&o->framed, i);
		return;
	}
	block_home(o->u, o->b, i, E_HOME);
	if (w & PAGE_ZAP_DROP)
		block_event(o->u, o->b, i, E_DISCARD);
}

/* Return: true when the block is in frames now. */
static bool stash(struct out *o, const struct mm_set *want)
{
	struct block *b = o->b;
	int err;

	if (!o->u->mm->ops->stash || o->u->mm->can_move || !set_full(want))
		return false;
	if (!mark_stashing(o))
		return false;
	err = o->u->mm->ops->stash(o->u->mm, b->va, block_slot_va(o->u, b));
	block_lock(b);
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		stashed(o, i, err);
	if (!err) {
		set_add_run(&slot_of(o->u, b->slot)->stock, 0, MM_BLOCK_PAGES);
		assign_dpfns(o);
	}
	block_unlock(o->u, b);
	block_settle(o->u, b, false);
	return !err;
}

/* ---- The whole -------------------------------------------------------- */

static void move_out(struct out *o, const struct mm_set *want, enum out_how how,
		     int *ret_err)
{
	*ret_err = give_slot(o->u, o->b, want);
	if (*ret_err)
		return;
	if (how != OUT_DEMOTE && stash(o, want))
		*ret_err = 0;
	else
		*ret_err = freeze_pages(o, want, how);
	if (*ret_err) {
		reset(o);
		block_lock(o->b);
		out_release_slot(o->u, o->b);
		block_unlock(o->u, o->b);
		if (*ret_err > 0)
			*ret_err = 0;
		return;
	}
	copy_all(o);
	zap_held(o);
	settle_all(o);
}

int out_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	      struct uhmm_device *dev, enum out_how how, uint8_t *why)
{
	struct out o;
	int err;

	out_init(&o, u, b);
	o.dev = dev;
	o.why = why;
	o.how = how;
	sys_mutex_lock(&b->mover);
	move_out(&o, want, how, &err);
	sys_mutex_unlock(&b->mover);
	return err ? err : (int)o.went;
}

/* ---- Parking ---------------------------------------------------------- */

static void select_parkable(struct block *b, struct mm_set *want)
{
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++) {
		uint64_t w = block_word(b, i);

		if (page_state(w) == P_RAM && w & PAGE_CHARGED && !page_pins(w))
			set_add(want, i);
	}
}

/* What froze in place cannot be parked: a read would not be noticed. */
static void park_frozen(struct out *o)
{
	set_for_each(&o->f.framed, i)
		block_event(o->u, o->b, i, E_PARK);
	set_for_each_run(&o->f.inplace, first, last)
		o->u->mm->ops->unprotect(o->u->mm,
					 o->b->va + first * MM_PAGE_SIZE,
					 last - first);
	set_for_each(&o->f.holes, i)
		block_event(o->u, o->b, i, E_HOLE);
}

int out_park(struct uhmm *u, struct block *b)
{
	struct mm_set all;
	struct out o;
	int err;

	out_init(&o, u, b);
	memset(&all, 0xff, sizeof(all));
	if (!sys_mutex_trylock(&b->mover))
		return -EBUSY;
	err = give_slot(u, b, &all);
	if (err)
		goto out;
	block_lock(b);
	select_parkable(b, &o.f.want);
	err = try_freeze(&o);
	if (!err && !set_empty(&o.f.want)) {
		note_frozen(&o);
		park_frozen(&o);
	}
	out_release_slot(u, b);
	block_unlock(u, b);
out:
	sys_mutex_unlock(&b->mover);
	return err ? err : (int)set_count(&o.f.framed);
}
