/* SPDX-License-Identifier: MIT */
/*
 * order.c - events of two threads that come in the wrong order.
 *
 * The kernel raises the event of a change of mappings when it has let go of the
 * lock of the mappings.  So thread 1 may have unmapped or moved what was at B,
 * and thread 2 have moved A to B since, and the event of thread 2 come first.
 * In that order the pages from A would be put over those of B, and then be
 * forgotten, or go where those of B went.
 *
 * The table of ranges shows it: B is still tracked, so the event that ends that
 * has not been read.  The event of A is put aside until then, with each later
 * event about A, because thread 2 goes on once its event is read.  No fault is
 * served meanwhile.  That ends soon, since thread 1 needs nothing but a CPU; if
 * it does not, the events are applied as they came.
 *
 * All of this is in event_lock, and the gate is closed.
 */
#include <errno.h>

#include "mm/uffd/uffd.h"

enum {
	ASIDE = 16, /* events that can be put aside */
	NAP_NS = 20 * 1000,
};

#define PATIENCE_NS (UINT64_C(1000) * 1000 * 1000)

/* @low, @high: faults that were read and are to be raised again */
struct aside {
	struct uffd_msg msg[ASIDE];
	unsigned nr;
	uintptr_t low, high;
};

static bool is_remap(const struct uffd_msg *m)
{
	return m->event == UFFD_EVENT_REMAP;
}

/* The range that an event is about, or where it moves from. */
static struct uffd_range range_of(const struct uffd_msg *m)
{
	if (is_remap(m))
		return (struct uffd_range){
			m->arg.remap.from, m->arg.remap.from + m->arg.remap.len
		};
	if (m->event == UFFD_EVENT_UNMAP || m->event == UFFD_EVENT_REMOVE)
		return (struct uffd_range){ m->arg.remove.start,
					    m->arg.remove.end };
	return (struct uffd_range){ 0, 0 };
}

static bool overlap(struct uffd_range r, uintptr_t start, uintptr_t len)
{
	return r.start < start + len && start < r.end;
}

/*
 * Does @m move pages to a range that is still tracked as far as events were
 * read?
 */
static bool is_early(struct uffd *b, const struct uffd_msg *m)
{
	uintptr_t to = m->arg.remap.to;

	return is_remap(m) && !in_slots(b, to) &&
	       !uffd_swap_remap(b, m->arg.remap.from) &&
	       uffd_ranges_touch(b, to, to + m->arg.remap.len);
}

/* Was @m raised after @before had been read, by the same thread perhaps? */
static bool follows_event(const struct uffd_msg *m,
			  const struct uffd_msg *before)
{
	struct uffd_range r = range_of(m);

	if (!is_remap(before))
		return overlap(r, before->arg.remove.start,
			       before->arg.remove.end -
				       before->arg.remove.start);
	if (overlap(r, before->arg.remap.from, before->arg.remap.len))
		return true;
	return m->event == UFFD_EVENT_REMOVE &&
	       overlap(r, before->arg.remap.to, before->arg.remap.len);
}

/* Can it be applied, if those of @a before the k-th are not? */
static bool is_event_due(struct uffd *b, const struct aside *a, unsigned k,
			 const struct uffd_msg *m)
{
	for (unsigned i = 0; i < k; i++)
		if (follows_event(m, &a->msg[i]))
			return false;
	return !is_early(b, m);
}

/* Apply the k-th, which is no more among them. */
static void let_in(struct uffd *b, struct aside *a, unsigned k)
{
	struct uffd_msg m = a->msg[k];

	a->nr--;
	for (; k < a->nr; k++)
		a->msg[k] = a->msg[k + 1];
	uffd_apply(b, &m);
}

/* Apply the events put aside that have become due, oldest first. */
static void let_in_due(struct uffd *b, struct aside *a)
{
	unsigned k = 0;

	while (k < a->nr) {
		if (is_event_due(b, a, k, &a->msg[k])) {
			let_in(b, a, k);
			k = 0;
		} else {
			k++;
		}
	}
}

static void note_fault(struct aside *a, uintptr_t addr)
{
	addr &= ~(MM_PAGE_SIZE - 1);
	if (addr < a->low)
		a->low = addr;
	if (addr > a->high)
		a->high = addr;
}

/* Return: false when there is nothing to read. */
static bool read_next(struct uffd *b, struct aside *a)
{
	struct uffd_msg m;

	if (sys_read(b->u, &m, sizeof(m)) != sizeof(m))
		return false;
	if (m.event == UFFD_EVENT_PAGEFAULT) {
		note_fault(a, m.arg.pagefault.address);
	} else if (is_event_due(b, a, a->nr, &m)) {
		uffd_apply(b, &m);
		let_in_due(b, a);
	} else {
		a->msg[a->nr++] = m;
	}
	return true;
}

void uffd_apply_in_order(struct uffd *b, const struct uffd_msg *msg)
{
	struct aside a = { .low = UINTPTR_MAX };
	unsigned tries = 0;
	uint64_t end;

	if (!is_early(b, msg)) {
		uffd_apply(b, msg);
		return;
	}
	a.msg[a.nr++] = *msg;
	end = sys_now_ns() + PATIENCE_NS;
	while (a.nr && a.nr < ASIDE && sys_now_ns() < end) {
		if (read_next(b, &a))
			continue;
		/* No event is under way, so none will come. */
		if (!uffd_is_changing(b))
			break;
		sys_rest(tries++, NAP_NS);
	}
	while (a.nr)
		let_in(b, &a, 0);
	if (a.low <= a.high)
		uffd_wake_range(b, a.low, a.high + MM_PAGE_SIZE - a.low);
}
