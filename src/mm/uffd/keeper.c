/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - the thread that lets the gate open when a mapping has moved.
 *
 * The kernel holds the thread that moves a mapping until the event of the move
 * has been read, and no event is read while that thread is in the gate: so the
 * keeper leaves the gate in its place; see stash.c.
 *
 * The keeper runs from the start: see sys_thread_start().
 */
#include <errno.h>

#include "mm/uffd/uffd.h"

enum {
	YIELDS = 20,
	POLLS = 400,
	NAP_NS = 50 * 1000,
};

/* Is the new kind of mapping at b->swap.to already? */
static bool has_swapped(const struct uffd *b)
{
	struct uffd_vma vma;

	return uffd_is_changing(b) && !uffd_find_vma(b, b->swap.to, &vma) &&
	       vma.start <= b->swap.to && vma.anon == b->swap.to_anon;
}

/*
 * The mapping has moved: the part of the slot is not what uffd_slot_expect()
 * made of it any more, whatever the mapping holds.
 */
static bool has_mapping_moved(struct uffd *b)
{
	const struct uffd_keeper *k = &b->keeper;

	if (!k->f)
		return has_swapped(b);
	return uffd_is_changing(b) &&
	       uffd_register(b->s, k->frame, k->len, UFFDIO_REGISTER_MODE_WP) ==
		       -EBUSY;
}

/*
 * Pages without the mark of stash.c.  Page by page: a mapping that was
 * moved there may have become one with its neighbour.
 */
static void note_late(const struct uffd *b, unsigned first, unsigned npages)
{
	const struct uffd_keeper *k = &b->keeper;
	uint64_t entries[MM_BLOCK_PAGES];

	if (uffd_pagemap_entries(b, k->frame, npages, entries))
		return;
	for (unsigned i = 0; i < npages; i++) {
		uintptr_t frame = k->frame + i * MM_PAGE_SIZE;

		if (entries[i] & UAPI_PM_UFFD_WP)
			continue;
		if (entries[i] & UAPI_PM_PRESENT ||
		    (entries[i] & UAPI_PM_SWAP && !uffd_is_poisoned(b, frame)))
			set_add(&k->f->late, first + i);
	}
}

/*
 * Called in the gate.  Makes the mapping that arrived an ordinary part of the
 * slot, before events are applied.
 */
static void arrived(struct uffd *b)
{
	const struct uffd_keeper *k = &b->keeper;
	unsigned first = (unsigned)(k->frame >> MM_PAGE_SHIFT) % MM_BLOCK_PAGES;

	note_late(b, first, (unsigned)(k->len >> MM_PAGE_SHIFT));
	uffd_make_ours(b, k->frame, k->len);
}

static bool take_over_gate(struct uffd_keeper *k)
{
	uint32_t armed = UFFD_KEEPER_ARMED;

	return atomic_compare_exchange_strong(&k->state, &armed,
					      UFFD_KEEPER_BUSY);
}

/*
 * A swap (place.c) does not always show: bound the polling, then open the gate.
 * A mapping that arrives in a slot always shows.
 */
static void keep_gate(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;
	struct sys_wait w = { .all = b->mm.client->waits,
			      .what = "a mapping to move to",
			      .at = k->frame };
	bool moved = false;

	for (int i = 0; (k->f || i < POLLS) && !moved; i++) {
		if (atomic_load(&k->state) != UFFD_KEEPER_ARMED) {
			sys_wait_end(&w);
			return;
		}
		moved = has_mapping_moved(b);
		if (!moved && i < YIELDS)
			sys_yield();
		else if (!moved)
			sys_wait_on(&w, &k->state, UFFD_KEEPER_ARMED, NAP_NS);
	}
	sys_wait_end(&w);
	if (!take_over_gate(k))
		return;
	if (k->f)
		arrived(b);
	uffd_gate_passed(b);
	atomic_store(&k->state, UFFD_KEEPER_IDLE);
	sys_futex_wake(&k->state, 2);
}

static void keeper_main(void *arg)
{
	struct uffd *b = arg;
	struct uffd_keeper *k = &b->keeper;

	while (atomic_load(&k->state) != UFFD_KEEPER_STOP) {
		uint32_t state = atomic_load(&k->state);

		if (state == UFFD_KEEPER_ARMED)
			keep_gate(b);
		else
			sys_futex_wait(&k->state, state, 0);
	}
}

int uffd_keeper_start(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;
	int ret;

	ret = sys_thread_start(&k->thread, keeper_main, b, -1, "uhmm-gate");
	k->running = !ret;
	return ret;
}

/* In the gate: it is open when the move that follows has come to an end. */
void uffd_keeper_arm(struct uffd *b, struct mm_freeze *f, uintptr_t frame,
		     size_t len)
{
	struct uffd_keeper *k = &b->keeper;

	k->f = f;
	k->frame = frame;
	k->len = len;
	atomic_store(&k->state, UFFD_KEEPER_ARMED);
	sys_futex_wake(&k->state, 2);
}

void uffd_keeper_stop(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;

	if (!k->running)
		return;
	atomic_store(&k->state, UFFD_KEEPER_STOP);
	sys_futex_wake(&k->state, 2);
	sys_thread_join(&k->thread);
	k->running = false;
}

bool uffd_keeper_done(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;
	struct sys_wait w = { .all = b->mm.client->waits,
			      .what = "a mapping that moved to be noted" };
	uint32_t state;

	if (take_over_gate(k)) {
		atomic_store(&k->state, UFFD_KEEPER_IDLE);
		return true;
	}
	while ((state = atomic_load(&k->state)) != UFFD_KEEPER_IDLE)
		sys_wait_on(&w, &k->state, state, 0);
	sys_wait_end(&w);
	return false;
}
