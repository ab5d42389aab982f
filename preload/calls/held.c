// SPDX-License-Identifier: MIT
/*
 * Memory that calls have pinned until they return.
 *
 * A call may never return: a signal handler jumps out of it, or the thread is
 * cancelled at an instruction where no clean-up runs.  So each thread has a
 * table of pinned parts, with the frame of the function that pinned them.  The
 * next call that pins anything unpins the parts of frames that were left.  The
 * end of the thread does the same.
 */
#include "calls/calls.h"

#define MAX_PAGES 1024
#define MAX_HELD  32 /* parts of one call */
#define MAX_OPEN  64 /* of calls that were interrupted, as well */

static __thread struct {
	unsigned nr;
	struct {
		uintptr_t frame;
		struct range part;
	} list[MAX_OPEN];
} held __attribute__((tls_model("initial-exec")));

static _Atomic uint64_t nr_held;

uint64_t calls_nr_held(void)
{
	return atomic_load(&nr_held);
}

/*
 * If a part of the range was unmapped meanwhile the whole is refused, so then
 * unpin page by page.
 */
static void unpin(struct range part)
{
	uintptr_t at = part.start;

	if (!manage_release((void *)at, part.end - at))
		return;
	for (; at < part.end; at += PAGE)
		manage_release((void *)at, PAGE);
}

static void drop_hold(unsigned i)
{
	struct range part = held.list[i].part;

	held.nr--;
	for (; i < held.nr; i++)
		held.list[i] = held.list[i + 1];
	unpin(part);
}

/* Unpin the parts of frames that were left; @frame is about to pin. */
static void drop_left(uintptr_t frame)
{
	for (unsigned i = held.nr; i-- > 0;)
		if (held.list[i].frame == frame ||
		    stacks_left(held.list[i].frame, frame) == STACKS_LEFT)
			drop_hold(i);
}

/*
 * If the table is full drop the oldest entries on unknown stacks: these frames
 * are most likely left.
 */
static bool make_room_to_hold(uintptr_t frame)
{
	for (unsigned i = 0; held.nr == MAX_OPEN && i < held.nr; i++)
		if (held.list[i].frame != frame &&
		    stacks_left(held.list[i].frame, frame) == STACKS_UNKNOWN)
			drop_hold(i);
	return held.nr < MAX_OPEN;
}

/* The part that @h pinned last. */
static struct range *last_of(const struct hold *h)
{
	bool has = h->nr && held.list[held.nr - 1].frame == h->frame;

	return has ? &held.list[held.nr - 1].part : NULL;
}

static bool pin_hold(struct hold *h, uintptr_t start, uintptr_t end)
{
	struct range *last = last_of(h);
	bool joins = last && start <= last->end && start >= last->start;

	if (joins && end <= last->end)
		return true;
	if (joins)
		start = last->end;
	else if (h->nr == MAX_HELD || !make_room_to_hold(h->frame))
		return false;
	if (manage_hold((void *)start, end - start))
		return false;
	if (joins) {
		last->end = end;
		return true;
	}
	held.list[held.nr].frame = h->frame;
	held.list[held.nr++].part = (struct range){ start, end };
	h->nr++;
	return true;
}

static bool hold_one(struct hold *h, const struct buf *b)
{
	uintptr_t at = page_down((uintptr_t)b->p);
	size_t len = calls_least(b->len, MAX_PAGES * PAGE);
	uintptr_t end = page_up((uintptr_t)b->p + len);
	bool all = len == b->len;

	if (!b->p || !b->len || end < at)
		return true;
	part_for_each(at, end, part) {
		if (pin_hold(h, part.start, part.end))
			manage_fault_in((void *)part.start,
					part.end - part.start, b->write);
		else
			all = false;
	}
	return all;
}

bool calls_hold(struct hold *h, const struct buf *bufs, size_t nr)
{
	int err = errno;
	bool all = true;
	struct quiet old;

	calls_enter(&old);
	if (unlikely(held.nr && !h->nr))
		drop_left(h->frame);
	for (size_t i = 0; i < nr; i++)
		all = hold_one(h, &bufs[i]) && all;
	calls_leave(&old);
	if (h->nr)
		atomic_fetch_add_explicit(&nr_held, 1, memory_order_relaxed);
	errno = err;
	return all;
}

/*
 * Search the whole table: handlers that were left may have pinned parts since.
 */
void calls_release(struct hold *h)
{
	int err = errno;
	struct quiet old;

	if (likely(!h->nr))
		return;
	calls_enter(&old);
	h->nr = 0;
	for (unsigned i = held.nr; i-- > 0;)
		if (held.list[i].frame == h->frame)
			drop_hold(i);
	calls_leave(&old);
	errno = err;
}

void calls_ended(void)
{
	struct quiet old;

	if (!held.nr)
		return;
	calls_enter(&old);
	while (held.nr)
		drop_hold(held.nr - 1);
	calls_leave(&old);
}

void calls_forked(void)
{
	held.nr = 0;
}
