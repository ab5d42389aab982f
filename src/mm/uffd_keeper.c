/* SPDX-License-Identifier: MIT */
/*
 * uffd_keeper.c - the thread that lets the gate open when a mapping has moved.
 *
 * Who moves a mapping is held by the kernel until the event of it has been
 * read, and no event is read while he is in the gate; see uffd_stash.c.
 *
 * It is there from the start: see sys_thread_start().
 */
#include "mm/uffd.h"

enum {
	YIELDS = 20,
	POLLS = 400,
	NAP_NS = 50 * 1000,
};

/* The other kind of mapping is there. */
static bool has_swapped(const struct uffd *b)
{
	struct uffd_vma vma;

	return uffd_is_changing(b) && !uffd_find_vma(b, b->swap.to, &vma) &&
	       vma.start <= b->swap.to && vma.anon == b->swap.to_anon;
}

/* The mapping has moved: its pages are in the slot, and the event is there. */
static bool has_moved(struct uffd *b)
{
	const struct uffd_keeper *k = &b->keeper;
	uintptr_t slot = k->frame & ~(MM_BLOCK_SIZE - 1);
	unsigned first = (unsigned)((k->frame - slot) >> MM_PAGE_SHIFT);
	struct mm_set there, huge;

	if (!k->frame)
		return has_swapped(b);
	return uffd_is_changing(b) &&
	       !uffd_scan(b, slot, first,
			  first + (unsigned)(k->len >> MM_PAGE_SHIFT), &there,
			  &huge) &&
	       !set_empty(&there);
}

static bool take_over(struct uffd_keeper *k)
{
	uint32_t armed = UFFD_KEEPER_ARMED;

	return atomic_compare_exchange_strong(&k->state, &armed,
					      UFFD_KEEPER_BUSY);
}

/*
 * Where there was nothing to move that does not show: then it does not matter
 * either, but the gate must be opened at last.
 */
static void keep(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;
	bool moved = false;

	for (int i = 0; i < POLLS && !moved; i++) {
		if (atomic_load(&k->state) != UFFD_KEEPER_ARMED)
			return;
		moved = has_moved(b);
		if (!moved && i < YIELDS)
			sys_yield();
		else if (!moved)
			sys_futex_wait(&k->state, UFFD_KEEPER_ARMED, NAP_NS);
	}
	if (!take_over(k))
		return;
	if (moved && k->frame)
		uffd_adopt(b, k->frame, k->len);
	k->adopted = moved;
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
			keep(b);
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
void uffd_keeper_arm(struct uffd *b, uintptr_t frame, size_t len)
{
	struct uffd_keeper *k = &b->keeper;

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

/* The mover is back.  It has passed the gate now, one way or the other. */
void uffd_keeper_done(struct uffd *b)
{
	struct uffd_keeper *k = &b->keeper;
	uint32_t state;

	if (take_over(k)) {
		k->adopted = false;
		uffd_gate_passed(b);
		atomic_store(&k->state, UFFD_KEEPER_IDLE);
		return;
	}
	while ((state = atomic_load(&k->state)) != UFFD_KEEPER_IDLE)
		sys_futex_wait(&k->state, state, 0);
}
