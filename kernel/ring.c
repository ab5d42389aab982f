// SPDX-License-Identifier: GPL-2.0 OR MIT
/* ring.c - the area, its slots, and what each page of a ring's device is. */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "pagemap.h"
#include "ring.h"

#define MIN_SLOTS   16
#define MAX_SLOTS   4096
#define MAX_TIMEOUT (3600 * MSEC_PER_SEC)
#define FETCH_TRIES 3

/* ---- Slots; @lock is held ---- */

static void *slot_data(const struct uhmmk_ring *r, u16 slot)
{
	return r->data + (size_t)slot * PAGE_SIZE;
}

/* The caller knows that there is a free one. */
static void take_slot(struct uhmmk_ring *r, u32 index)
{
	u32 i = find_next_zero_bit(r->slots_used, r->nr_slots, r->slot_hint);

	if (i >= r->nr_slots)
		i = find_first_zero_bit(r->slots_used, r->nr_slots);
	__set_bit(i, r->slots_used);
	r->nr_free--;
	r->slot_hint = i + 1;
	r->slots[i] = (struct uhmmk_slot){ .index = index };
	r->pages[index].slot = i;
}

static void put_slot(struct uhmmk_ring *r, struct uhmmk_ring_page *p)
{
	__clear_bit(p->slot, r->slots_used);
	r->nr_free++;
	p->slot = UHMMK_NO_SLOT;
	wake_up_all(&r->clients);
}

/* Free the slot of a page that the driver has as well. */
bool uhmmk_slot_reclaim(struct uhmmk_ring *r)
{
	u32 n, i = r->reclaim_hint;

	for (n = 0; n < r->nr_slots; n++, i++) {
		struct uhmmk_slot *slot = &r->slots[i % r->nr_slots];
		struct uhmmk_ring_page *p = &r->pages[slot->index];

		if (!test_bit(i % r->nr_slots, r->slots_used) || slot->busy ||
		    p->state != UHMMK_PAGE_STAGED)
			continue;
		p->state = UHMMK_PAGE_STORED;
		put_slot(r, p);
		r->reclaim_hint = (i + 1) % r->nr_slots;
		return true;
	}
	return false;
}

/* ---- Pages; @lock is held ---- */

static void set_gone(struct uhmmk_ring *r, u32 index)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	if (p->slot != UHMMK_NO_SLOT)
		put_slot(r, p);
	p->fails = 0;
	p->is_alone = false;
	/* A dead ring hands out no pages, so none has to become unused. */
	p->state = r->dead ? UHMMK_PAGE_NONE : UHMMK_PAGE_FREEING;
	if (r->dead)
		return;
	__set_bit(index, r->to_free);
	r->nr_to_free++;
	r->nr_freeing++;
	if (uhmmk_are_frees_due(r))
		wake_up(&r->drivers);
}

static void settle_store(struct uhmmk_ring *r, struct uhmmk_ring_page *p,
			 int result)
{
	if (result) {
		p->state = UHMMK_PAGE_KEPT;
		r->failed(r->pm);
	} else if (r->slots[p->slot].busy) {
		p->state = UHMMK_PAGE_STAGED;
	} else {
		p->state = UHMMK_PAGE_STORED;
		put_slot(r, p);
	}
}

/* One page that cannot be read does not condemn those that came with it. */
static void settle_fetch(struct uhmmk_ring *r, struct uhmmk_ring_page *p,
			 u32 npages, int result)
{
	p->is_alone = result;
	if (!result) {
		p->state = UHMMK_PAGE_STAGED;
		p->fails = 0;
		return;
	}
	put_slot(r, p);
	p->fails += npages == 1;
	p->state = p->fails < FETCH_TRIES ? UHMMK_PAGE_STORED : UHMMK_PAGE_BAD;
}

void uhmmk_page_settle(struct uhmmk_ring *r, u32 index,
		       const struct uhmmk_asked *asked, int result)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	if (asked->op == UHMMK_STORE)
		settle_store(r, p, result);
	else
		settle_fetch(r, p, asked->npages, result);
	if (!p->is_orphan)
		return;
	p->is_orphan = false;
	r->nr_orphans--;
	set_gone(r, index);
}

void uhmmk_page_forget(struct uhmmk_ring *r, u32 index)
{
	r->pages[index].state = UHMMK_PAGE_NONE;
	r->nr_freeing--;
	uhmmk_page_unuse(r->pm, index);
}

static int fetch(struct uhmmk_ring *r, u32 index)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	if (r->dead)
		return -ENODEV;
	if (r->nr_free <= r->nr_reserved && !uhmmk_slot_reclaim(r))
		return -EBUSY;
	take_slot(r, index);
	/* Whatever the driver leaves out is nobody else's data. */
	clear_page(slot_data(r, p->slot));
	p->state = UHMMK_PAGE_FETCHING;
	if (p->is_alone)
		uhmmk_queue_flush(r);
	uhmmk_queue_add(r, UHMMK_FETCH, p->slot, index);
	if (p->is_alone)
		uhmmk_queue_flush(r);
	return -EAGAIN;
}

/* ---- Pages go out and home ---- */

void uhmmk_ring_get(struct uhmmk_ring *r, unsigned long index)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	spin_lock_irq(&r->lock);
	r->nr_reserved--;
	take_slot(r, index);
	p->state = UHMMK_PAGE_STORING;
	spin_unlock_irq(&r->lock);
}

struct page *uhmmk_ring_data(struct uhmmk_ring *r, unsigned long index)
{
	return vmalloc_to_page(slot_data(r, r->pages[index].slot));
}

void uhmmk_ring_store(struct uhmmk_ring *r, unsigned long index)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	spin_lock_irq(&r->lock);
	if (r->dead)
		p->state = UHMMK_PAGE_KEPT;
	else
		uhmmk_queue_add(r, UHMMK_STORE, p->slot, index);
	spin_unlock_irq(&r->lock);
}

struct page *uhmmk_ring_hold(struct uhmmk_ring *r, unsigned long index)
{
	struct uhmmk_ring_page *p = &r->pages[index];
	struct page *ret;

	spin_lock_irq(&r->lock);
	switch (p->state) {
	case UHMMK_PAGE_STORING:
	case UHMMK_PAGE_STAGED:
	case UHMMK_PAGE_KEPT:
		r->slots[p->slot].busy++;
		ret = uhmmk_ring_data(r, index);
		break;
	case UHMMK_PAGE_STORED:
		ret = ERR_PTR(fetch(r, index));
		break;
	case UHMMK_PAGE_FETCHING:
		ret = ERR_PTR(-EAGAIN);
		break;
	default:
		ret = ERR_PTR(-EIO);
	}
	spin_unlock_irq(&r->lock);
	return ret;
}

void uhmmk_ring_unhold(struct uhmmk_ring *r, unsigned long index)
{
	struct uhmmk_ring_page *p = &r->pages[index];

	spin_lock_irq(&r->lock);
	if (!--r->slots[p->slot].busy)
		wake_up_all(&r->clients);
	spin_unlock_irq(&r->lock);
}

void uhmmk_ring_prefetch(struct uhmmk_ring *r, unsigned long index)
{
	spin_lock_irq(&r->lock);
	if (r->pages[index].state == UHMMK_PAGE_STORED)
		fetch(r, index);
	spin_unlock_irq(&r->lock);
}

/*
 * Touches that follow each other meet pages that left together.  So a touch of
 * the page behind those of the last command has more of them fetched with it.
 */
void uhmmk_ring_fetch_ahead(struct uhmmk_ring *r, unsigned long index)
{
	unsigned long i, end;

	spin_lock_irq(&r->lock);
	if (r->pages[index].state != UHMMK_PAGE_FETCHING)
		goto out;
	if (index == r->ahead_next)
		r->ahead = clamp(r->ahead * 2, 2U, UHMMK_MERGE / 2);
	else
		r->ahead = 0;
	end = min_t(unsigned long, index + 1 + r->ahead, r->pm->npages);
	for (i = index + 1; i < end; i++)
		if (r->pages[i].state != UHMMK_PAGE_STORED ||
		    r->pages[i].is_alone || r->nr_free <= r->nr_reserved ||
		    fetch(r, i) != -EAGAIN)
			break;
	r->ahead_next = i;
out:
	spin_unlock_irq(&r->lock);
}

void uhmmk_ring_kick(struct uhmmk_ring *r)
{
	spin_lock_irq(&r->lock);
	if (!r->dead)
		uhmmk_queue_flush(r);
	spin_unlock_irq(&r->lock);
	wake_up(&r->drivers);
}

void uhmmk_ring_freed(struct uhmmk_ring *r, unsigned long index)
{
	struct uhmmk_ring_page *p = &r->pages[index];
	unsigned long flags;

	spin_lock_irqsave(&r->lock, flags);
	if (p->state == UHMMK_PAGE_STORING || p->state == UHMMK_PAGE_FETCHING) {
		p->is_orphan = true;
		r->nr_orphans++;
	} else {
		set_gone(r, index);
	}
	spin_unlock_irqrestore(&r->lock, flags);
}

static bool is_kept(struct uhmmk_ring *r, u32 slot, u32 *ret_index)
{
	bool ret;

	spin_lock_irq(&r->lock);
	*ret_index = r->slots[slot].index;
	ret = test_bit(slot, r->slots_used) &&
	      r->pages[*ret_index].state == UHMMK_PAGE_KEPT;
	spin_unlock_irq(&r->lock);
	return ret;
}

void uhmmk_ring_rescue(struct uhmmk_ring *r)
{
	u32 slot, index;

	for (slot = 0; slot < r->nr_slots; slot++)
		if (is_kept(r, slot, &index))
			uhmmk_page_evict(r->pm, index);
}

/* ---- The end ---- */

/* Nothing that was asked will be answered any more. */
void uhmmk_ring_die(struct uhmmk_ring *r)
{
	u32 tag, i;

	if (r->dead)
		return;
	uhmmk_queue_flush(r);
	r->dead = true;
	WRITE_ONCE(r->queue->is_dead, 1);
	for (tag = 0; tag < r->nr_slots; tag++) {
		struct uhmmk_asked *a = &r->asked[tag];

		for (i = 0; a->is_sent && i < a->npages; i++)
			uhmmk_page_settle(r, a->index + i, a, -ENODEV);
		a->is_sent = false;
	}
	r->nr_sent = 0;
	wake_up_all(&r->drivers);
	wake_up_all(&r->clients);
}

void uhmmk_ring_stop(struct uhmmk_ring *r)
{
	spin_lock_irq(&r->lock);
	uhmmk_ring_die(r);
	spin_unlock_irq(&r->lock);
}

/* ---- The whole ---- */

static bool make_area(struct uhmmk_ring *r)
{
	size_t commands = PAGE_SIZE, answers, data;

	r->nr_commands = roundup_pow_of_two(r->nr_tags);
	r->nr_answers = r->nr_commands;
	answers = commands + PAGE_ALIGN(r->nr_commands * sizeof(*r->commands));
	data = answers + PAGE_ALIGN(r->nr_answers * sizeof(*r->answers));
	r->area_size = data + (size_t)r->nr_slots * PAGE_SIZE;
	r->area = vmalloc_user(r->area_size);
	if (!r->area)
		return false;
	r->queue = r->area;
	r->commands = r->area + commands;
	r->answers = r->area + answers;
	r->data = r->area + data;
	r->queue->nr_commands = r->nr_commands;
	r->queue->nr_answers = r->nr_answers;
	r->queue->commands = commands;
	r->queue->answers = answers;
	return true;
}

static bool make_tables(struct uhmmk_ring *r)
{
	unsigned long i, npages = r->pm->npages;

	r->pages = kvcalloc(npages, sizeof(*r->pages), GFP_KERNEL);
	r->slots = kvcalloc(r->nr_slots, sizeof(*r->slots), GFP_KERNEL);
	r->asked = kvcalloc(r->nr_tags, sizeof(*r->asked), GFP_KERNEL);
	r->slots_used = bitmap_zalloc(r->nr_slots, GFP_KERNEL);
	r->to_free = kvcalloc(BITS_TO_LONGS(npages), sizeof(*r->to_free),
			      GFP_KERNEL);
	if (!r->pages || !r->slots || !r->asked || !r->slots_used ||
	    !r->to_free)
		return false;
	for (i = 0; i < npages; i++)
		r->pages[i].slot = UHMMK_NO_SLOT;
	return true;
}

struct uhmmk_ring *uhmmk_ring_add(struct uhmmk_pagemap *pm, u32 slots,
				  u32 timeout_ms)
{
	struct uhmmk_ring *r;

	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->pm = pm;
	r->nr_slots = slots;
	r->nr_free = slots;
	r->nr_tags = slots + UHMMK_FREE_TAGS;
	r->timeout = msecs_to_jiffies(timeout_ms);
	spin_lock_init(&r->lock);
	init_waitqueue_head(&r->clients);
	init_waitqueue_head(&r->drivers);
	if (!make_area(r) || !make_tables(r)) {
		uhmmk_ring_remove(r);
		return ERR_PTR(-ENOMEM);
	}
	return r;
}

bool uhmmk_ring_is_valid(u64 npages, u32 slots, u32 timeout_ms)
{
	return npages <= U32_MAX && slots >= MIN_SLOTS && slots <= MAX_SLOTS &&
	       timeout_ms && timeout_ms <= MAX_TIMEOUT;
}

void uhmmk_ring_remove(struct uhmmk_ring *r)
{
	if (!r)
		return;
	vfree(r->area);
	kvfree(r->pages);
	kvfree(r->slots);
	kvfree(r->asked);
	bitmap_free(r->slots_used);
	kvfree(r->to_free);
	kfree(r);
}

void uhmmk_ring_stat(struct uhmmk_ring *r, struct uhmmk_stat *ret)
{
	spin_lock_irq(&r->lock);
	ret->stores = r->stores;
	ret->fetches = r->fetches;
	ret->frees = r->frees;
	ret->failures = r->failures;
	ret->lies = r->lies;
	ret->dead = r->dead;
	ret->slots = r->nr_slots;
	spin_unlock_irq(&r->lock);
	ret->waits = atomic64_read(&r->waits);
	ret->locked_waits = atomic64_read(&r->locked_waits);
}

int uhmmk_ring_mmap(struct uhmmk_ring *r, struct vm_area_struct *vma)
{
	/* A child does not keep the device by its copy of the mapping. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	compat_vm_flags_set(vma, VM_DONTCOPY);
	return remap_vmalloc_range(vma, r->area, vma->vm_pgoff);
}
