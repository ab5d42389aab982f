/* SPDX-License-Identifier: MIT */
/*
 * peer_copy.c - pages go from one device to another.
 *
 * Meanwhile the pages are P_COMING, as on their way home: faults wait, and if
 * an event drops a page, the mover frees its device pages.  The copy goes
 * straight from device to device where the provider can do that, otherwise
 * through frames that are mapped nowhere else.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/move/out_steps.h"
#include "core/move/peer_copy.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/slot.h"

/*
 * @m.set: pages that this thread marked, all of them on @m.dev
 * @new: device pages on @dst, to which the pages go; @unused: spare ones
 */
struct peer {
	struct move m;
	struct uhmm_device *dst;
	unsigned n;
	struct booking booking;
	uint64_t new[MM_BLOCK_PAGES];
	uint64_t unused[MM_BLOCK_PAGES];
	struct uhmm_peer_segment seg[MM_BLOCK_PAGES];
	struct uhmm_segment out[MM_BLOCK_PAGES];
};

/* ---- 1: mark ---------------------------------------------------------- */

/* The device of the first page of @want that is on another one, or NULL. */
static struct uhmm_device *find_source(const struct peer *p,
				       const struct mm_set *want)
{
	set_for_each(want, i) {
		uint64_t w = block_word(p->m.b, i);

		if (page_state(w) == P_DEVICE && page_dev(w) != p->dst->id)
			return device_get(p->m.u, page_dev(w));
	}
	return NULL;
}

static bool is_on_source(const struct peer *p, unsigned i)
{
	uint64_t w = block_word(p->m.b, i);

	return page_state(w) == P_DEVICE && page_dev(w) == p->m.dev->id;
}

/*
 * Mark as many pages as @dst has room for.  Caller holds the block's lock.
 * Return: whether any page was marked.
 */
static bool mark_peer_pages(struct peer *p, const struct mm_set *want)
{
	unsigned n = 0, room;

	set_clear(&p->m.set);
	p->m.dev = find_source(p, want);
	if (!p->m.dev)
		return false;
	set_for_each(want, i)
		n += is_on_source(p, i);
	room = charge_alloc(p->m.u, p->m.b, p->dst, n, p->unused, &p->booking);
	p->n = 0;
	for (unsigned i = set_find(want, 0, true);
	     p->n < room && i < MM_BLOCK_PAGES;
	     i = set_find(want, i + 1, true)) {
		uint64_t w = block_word(p->m.b, i);

		if (!is_on_source(p, i))
			continue;
		p->m.dpfn[i] = page_dpfn(w);
		p->new[i] = p->unused[p->n++];
		set_add(&p->m.set, i);
		block_arrive(p->m.u, p->m.b, i, p->m.dev->id, p->m.dpfn[i],
			     E_FETCH);
	}
	return p->n > 0;
}

/* ---- 2: copy ---------------------------------------------------------- */

static unsigned build(struct peer *p)
{
	struct uhmm_peer_segment *s = p->seg;
	unsigned nr = 0;

	set_for_each(&p->m.set, i) {
		if (nr && s[nr - 1].src + s[nr - 1].npages == p->m.dpfn[i] &&
		    s[nr - 1].dst + s[nr - 1].npages == p->new[i])
			s[nr - 1].npages++;
		else
			s[nr++] = (struct uhmm_peer_segment){ p->m.dpfn[i],
							      p->new[i], 1 };
	}
	return nr;
}

static int copy_through_frames(struct peer *p, uintptr_t va)
{
	uint32_t slot = slot_get(p->m.u, &p->m.set);
	struct slot *s;
	unsigned nr;
	char *ram;
	int err;

	if (slot == NO_SLOT)
		return -ENOMEM;
	s = slot_of(p->m.u, slot);
	s->stock = set_or(&s->stock, &p->m.set);
	ram = (char *)slot_va(p->m.u, slot);
	nr = move_segments(&p->m.set, p->m.dpfn, ram, p->out);
	err = device_copy_out(p->m.dev, p->out, nr, va);
	if (!err) {
		nr = move_segments(&p->m.set, p->new, ram, p->out);
		err = device_copy_in(p->dst, p->out, nr, va);
	}
	slot_put(p->m.u, slot);
	return err;
}

static int copy_to_peer(struct peer *p)
{
	uintptr_t va = move_first(&p->m, &p->m.set);
	int err = device_copy_peer(p->dst, p->m.dev, p->seg, build(p), va);

	return err ? copy_through_frames(p, va) : 0;
}

/* ---- 3: arrive -------------------------------------------------------- */

/*
 * A page of a file, straight from there: it is what the file has until the
 * device writes to it, which not all devices tell.
 */
static void note_unwritten(struct peer *p, unsigned i)
{
	if (p->m.dev->is_file && block_is_file(p->m.b, i) &&
	    p->dst->desc.flags & UHMM_DEVICE_TELLS_WRITES)
		set_add(&block_file(p->m.b)->same, i);
}

/*
 * A page ends on the new device, on the old one, or is lost with the old one.
 * An event that dropped it left both device pages to the mover.
 */
static void land(struct peer *p, unsigned i, int err)
{
	bool ours = move_is_coming(&p->m, i);
	bool there = !err && !device_has_lost(p->dst, p->new[i]);
	bool gone = ours && !there && device_has_lost(p->m.dev, p->m.dpfn[i]);

	if (ours && there) {
		block_arrive(p->m.u, p->m.b, i, p->dst->id, p->new[i],
			     E_ARRIVE);
		note_unwritten(p, i);
	} else {
		p->unused[p->n++] = p->new[i];
	}
	if (gone)
		block_poison(p->m.u, p->m.b, i);
	if (ours && !there && !gone)
		block_arrive(p->m.u, p->m.b, i, p->m.dev->id, p->m.dpfn[i],
			     E_STAY);
	else
		move_spare(&p->m, p->m.dpfn[i]);
}

static void arrive_on_peer(struct peer *p, int err)
{
	p->n = 0;
	block_lock(p->m.b);
	set_for_each(&p->m.set, i)
		land(p, i, err);
	block_unlock(p->m.u, p->m.b);
	block_settle(p->m.u, p->m.b, false);
	move_free_spare(&p->m);
	device_free(p->dst, p->unused, p->n);
	charge_booked(p->dst, &p->booking);
}

/* The pages of one device.  Return: 1 when there were some, 0, -errno. */
static int move(struct peer *p, const struct mm_set *want)
{
	bool any;
	int err;

	block_lock(p->m.b);
	any = mark_peer_pages(p, want);
	block_unlock(p->m.u, p->m.b);
	if (!any)
		return 0;
	mirror_invalidate_set(p->m.u, p->m.b, &p->m.set, UHMM_NOTIFY_MIGRATE);
	err = copy_to_peer(p);
	arrive_on_peer(p, err);
	return err ? err : 1;
}

int peer_block(struct uhmm *u, struct block *b, const struct mm_set *want,
	       struct uhmm_device *dev)
{
	struct peer p;
	int ret = 1;

	move_init(&p.m, u, b, NULL);
	p.dst = dev;
	while (ret > 0)
		ret = move(&p, want);
	return ret;
}
