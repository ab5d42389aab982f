/* SPDX-License-Identifier: MIT */
/*
 * dropped.c - pages that the application discarded and that may still be there.
 *
 * The kernel's event of a discard is the same for MADV_DONTNEED and MADV_FREE,
 * and comes before the pages go.  After MADV_DONTNEED a page goes in a moment:
 * whoever moved it before would bring old data back.  After MADV_FREE it stays
 * for as long as the kernel likes, and for good once it is written to, of which
 * nobody tells us.
 *
 * So a page that is P_DROPPED carries the time of its last event.  If it is not
 * there it is a hole.  If it is still there a second later no discard is under
 * way any more, and it is RAM like any other.  In between it is in doubt.
 */
#include "core/page/dropped.h"
#include "core/context/context.h"
#include "core/limit/demote.h"
#include "core/page/block.h"
#include "core/page/page.h"

#define LOOK_NS (1000 * 1000)
#define ALL_NS	(250 * 1000 * 1000)

/* About a quarter of a second each, and 64 seconds before they repeat. */
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

void dropped_wait(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	const uint64_t end = sys_now_ns() + ((SECOND + UINT64_C(1)) << 28);
	bool settled;

	do {
		uint32_t seen = atomic_load(&b->settled);

		block_lock(b);
		settled = dropped_settle(u, b, want);
		block_unlock(u, b);
		if (!settled)
			sys_futex_wait(&b->settled, seen, LOOK_NS);
	} while (!settled && sys_now_ns() < end);
}

void dropped_note(struct uhmm *u)
{
	if (atomic_load_explicit(&u->dropped.any, memory_order_relaxed) ||
	    atomic_exchange(&u->dropped.any, true))
		return;
	if (u->policy.running)
		policy_kick(u);
}

static bool settle_all(struct uhmm *u)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	bool settled = true;
	struct mm_set all;

	memset(&all, 0xff, sizeof(all));
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
