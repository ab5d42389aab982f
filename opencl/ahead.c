// SPDX-License-Identifier: MIT
/*
 * ahead.c - arrays that are brought before the first launch, since the caller
 * has named them.
 *
 * What is there already counts as used, and takes no room.
 */
#include <errno.h>

#include "run.h"

/* Pages of an array. */
struct span {
	uint64_t first, end;
};

static struct span span_of(const struct uhmm_cl_range *a)
{
	uintptr_t addr = (uintptr_t)a->addr;

	return (struct span){
		.first = addr >> UHMM_PAGE_SHIFT,
		.end = ((addr + a->len - 1) >> UHMM_PAGE_SHIFT) + 1,
	};
}

/* In the table?  Then it stays for this epoch.  Locked. */
static bool is_there(struct table *t, uint64_t page)
{
	uint32_t index, *entry = table_find(t, page, &index);

	if (!entry || !(*entry & ENTRY_VALID))
		return false;
	t->stamp[index] = t->epoch;
	return true;
}

static uint64_t count_missing(struct table *t, struct span s)
{
	sigset_t old = table_lock(t);
	uint64_t n = 0;

	for (; s.first < s.end; s.first++)
		n += !is_there(t, s.first);
	table_unlock(t, old);
	return n;
}

static bool is_missing(struct table *t, uint64_t page)
{
	return !is_there(t, page);
}

/* There, but only to be read?  Locked. */
static bool is_read_only(struct table *t, uint64_t page)
{
	uint32_t index, *entry = table_find(t, page, &index);

	return entry && (*entry & (ENTRY_VALID | ENTRY_WRITE)) == ENTRY_VALID;
}

typedef bool page_is_fn(struct table *t, uint64_t page);

/* The first run that is so, at most @max pages; empty: there is none. */
static struct span next_run(struct table *t, struct span s, uint64_t max,
			    page_is_fn *is)
{
	sigset_t old = table_lock(t);
	struct span run;

	while (s.first < s.end && !is(t, s.first))
		s.first++;
	run = (struct span){ s.first, s.first };
	while (run.end < s.end && run.end - run.first < max && is(t, run.end))
		run.end++;
	table_unlock(t, old);
	return run;
}

/* As far as there is @room; what did not come is missed later. */
static int bring_missing(struct uhmm_cl *cl, struct span s, bool write,
			 uint64_t *room)
{
	int err = 0;

	while (*room && !err) {
		struct span run = next_run(&cl->table, s, *room, is_missing);

		if (run.first == run.end)
			break;
		err = bring(cl, run.first, run.end - run.first, write);
		*room -= run.end - run.first;
		s.first = run.end;
		if (err == -EAGAIN || err == -ENOSPC)
			err = 0;
	}
	return err;
}

/* What the kernel will write to, and has only read until now. */
static int make_writable(struct uhmm_cl *cl, struct span s)
{
	int err = 0;

	while (!err) {
		struct span run =
			next_run(&cl->table, s, UINT64_MAX, is_read_only);

		if (run.first == run.end)
			break;
		err = bring(cl, run.first, run.end - run.first, true);
		s.first = run.end;
		if (err == -EAGAIN || err == -ENOSPC)
			err = 0;
	}
	return err;
}

static int bring_array(struct uhmm_cl *cl, const struct uhmm_cl_range *a,
		       uint64_t *room)
{
	bool write = a->flags & UHMM_CL_WRITTEN;
	int err = bring_missing(cl, span_of(a), write, room);

	return err || !write ? err : make_writable(cl, span_of(a));
}

static bool is_ahead(const struct uhmm_cl_range *a)
{
	return a->flags & UHMM_CL_AHEAD && a->len;
}

int bring_ahead(struct run *r)
{
	const struct uhmm_cl_range *a = r->launch.ranges;
	struct table *t = &r->cl->table;
	uint64_t missing = 0, room;
	int err = 0;

	for (uint64_t i = 0; i < r->launch.nr_ranges; i++)
		if (is_ahead(&a[i]))
			missing += count_missing(t, span_of(&a[i]));
	room = device_room(r->cl);
	if (missing > room)
		room += evict(r->cl, missing - room, &r->stats.evicted);
	for (uint64_t i = 0; i < r->launch.nr_ranges && !err; i++)
		if (is_ahead(&a[i]))
			err = bring_array(r->cl, &a[i], &room);
	return err;
}
