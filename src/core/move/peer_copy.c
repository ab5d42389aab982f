/* SPDX-License-Identifier: MIT */
/*
 * peer_copy.c - pages go from one device to another.
 *
 * They are P_COMING for that long, as on their way home: faults wait, and an
 * event that drops one leaves its device page to the mover.  The copy goes
 * straight from device to device where the provider can do that, else through
 * frames, which are mapped nowhere else.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/move/out_steps.h"
#include "core/move/peer_copy.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/*
 * @set: pages marked by us, all of them on @src
 * @old, @new: their device pages; @spare: those of @new that were not used
 */
struct peer {
	struct uhmm *u;
	struct block *b;
	struct uhmm_device *src, *dst;
	struct mm_set set;
	unsigned n;
	struct booking booking;
	uint64_t old[MM_BLOCK_PAGES], new[MM_BLOCK_PAGES];
	uint64_t spare[MM_BLOCK_PAGES];
	struct uhmm_peer_segment seg[MM_BLOCK_PAGES];
	struct uhmm_segment out[MM_BLOCK_PAGES];
};

/* ---- 1: mark ---------------------------------------------------------- */

/* The device of the first page of @want that is on another one, or NULL. */
static struct uhmm_device *find_source(const struct peer *p,
				       const struct mm_set *want)
{
	set_for_each(want, i) {
		uint64_t w = block_word(p->b, i);

		if (page_state(w) == P_DEVICE && page_dev(w) != p->dst->id)
			return device_get(p->u, page_dev(w));
	}
	return NULL;
}

static bool is_on(const struct peer *p, unsigned i)
{
	uint64_t w = block_word(p->b, i);

	return page_state(w) == P_DEVICE && page_dev(w) == p->src->id;
}

/* As many as there is room for.  Locked.  Return: whether there are any. */
static bool mark(struct peer *p, const struct mm_set *want)
{
	unsigned n = 0, room;

	set_clear(&p->set);
	p->src = find_source(p, want);
	if (!p->src)
		return false;
	set_for_each(want, i)
		n += is_on(p, i);
	room = charge_alloc(p->u, p->b, p->dst, n, p->spare, &p->booking);
	p->n = 0;
	for (unsigned i = set_find(want, 0, true);
	     p->n < room && i < MM_BLOCK_PAGES;
	     i = set_find(want, i + 1, true)) {
		uint64_t w = block_word(p->b, i);

		if (!is_on(p, i))
			continue;
		p->old[i] = page_dpfn(w);
		p->new[i] = p->spare[p->n++];
		set_add(&p->set, i);
		block_arrive(p->u, p->b, i, p->src->id, p->old[i], E_FETCH);
	}
	return p->n > 0;
}

/* ---- 2: copy ---------------------------------------------------------- */

static unsigned build(struct peer *p)
{
	struct uhmm_peer_segment *s = p->seg;
	unsigned nr = 0;

	set_for_each(&p->set, i) {
		if (nr && s[nr - 1].src + s[nr - 1].npages == p->old[i] &&
		    s[nr - 1].dst + s[nr - 1].npages == p->new[i])
			s[nr - 1].npages++;
		else
			s[nr++] = (struct uhmm_peer_segment){ p->old[i],
							      p->new[i], 1 };
	}
	return nr;
}

static unsigned build_side(struct peer *p, uintptr_t slot, const uint64_t *dpfn)
{
	unsigned nr = 0;

	set_for_each(&p->set, i)
		nr = segment_add(p->out, nr, dpfn[i],
				 (void *)(slot + i * MM_PAGE_SIZE));
	return nr;
}

static uintptr_t first_va(const struct peer *p)
{
	return p->b->va + set_find(&p->set, 0, true) * MM_PAGE_SIZE;
}

static int copy_through_frames(struct peer *p)
{
	uint32_t slot = slot_get(p->u, &p->set);
	struct slot *s;
	uintptr_t va;
	int err;
	uintptr_t at = first_va(p);

	if (slot == NO_SLOT)
		return -ENOMEM;
	s = slot_of(p->u, slot);
	s->stock = set_or(&s->stock, &p->set);
	va = slot_va(p->u, slot);
	err = device_copy_out(p->src, p->out, build_side(p, va, p->old), at);
	if (!err)
		err = device_copy_in(p->dst, p->out, build_side(p, va, p->new),
				     at);
	slot_put(p->u, slot);
	return err;
}

static int copy(struct peer *p)
{
	int err =
		device_copy_peer(p->dst, p->src, p->seg, build(p), first_va(p));

	return err ? copy_through_frames(p) : 0;
}

/* ---- 3: arrive -------------------------------------------------------- */

static bool is_ours(const struct peer *p, unsigned i)
{
	return block_word(p->b, i) ==
	       page_on_device(P_COMING, p->src->id, p->old[i]);
}

/*
 * A page ends on the new device, on the old one, or is lost with the old one.
 * An event that dropped it left both device pages to the mover.
 */
struct landing {
	uint64_t old[MM_BLOCK_PAGES];
	unsigned nold, nspare;
};

static void land(struct peer *p, struct landing *l, unsigned i, int err)
{
	bool ours = is_ours(p, i);
	bool there = !err && !device_has_lost(p->dst, p->new[i]);
	bool gone = ours && !there && device_has_lost(p->src, p->old[i]);

	if (ours && there)
		block_arrive(p->u, p->b, i, p->dst->id, p->new[i], E_ARRIVE);
	else
		p->spare[l->nspare++] = p->new[i];
	if (gone)
		block_poison(p->u, p->b, i);
	if (ours && !there && !gone)
		block_arrive(p->u, p->b, i, p->src->id, p->old[i], E_STAY);
	else
		l->old[l->nold++] = p->old[i];
}

static void arrive(struct peer *p, int err)
{
	struct landing l;

	l.nold = l.nspare = 0;
	block_lock(p->b);
	set_for_each(&p->set, i)
		land(p, &l, i, err);
	block_unlock(p->u, p->b);
	block_settle(p->u, p->b, false);
	device_free(p->src, l.old, l.nold);
	device_free(p->dst, p->spare, l.nspare);
	charge_booked(p->dst, &p->booking);
}

static bool has_any(struct uhmm *u, struct block *b, const struct mm_set *want,
		    const struct uhmm_device *dev)
{
	bool any = false;

	block_lock(b);
	if (b->nr[P_DEVICE])
		set_for_each(want, i)
			any = any ||
			      (page_state(block_word(b, i)) == P_DEVICE &&
			       page_dev(block_word(b, i)) != dev->id);
	block_unlock(u, b);
	return any;
}

/* The pages of one device.  Return: 1 when there were some, 0, -errno. */
static int move(struct peer *p, const struct mm_set *want)
{
	bool any;
	int err;

	block_lock(p->b);
	any = mark(p, want);
	block_unlock(p->u, p->b);
	if (!any)
		return 0;
	mirror_invalidate_set(p->u, p->b, &p->set, UHMM_NOTIFY_MIGRATE);
	err = copy(p);
	arrive(p, err);
	return err ? err : 1;
}

int peer_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *dev)
{
	struct peer p;
	int ret = 1;

	if (!has_any(u, b, want, dev))
		return 0;
	p.u = u;
	p.b = b;
	p.dst = dev;
	while (ret > 0)
		ret = move(&p, want);
	return ret;
}
