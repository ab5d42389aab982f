// SPDX-License-Identifier: MIT
/*
 * ahead.c - brings the arrays to the device that the caller has named with
 * UHMM_CL_AHEAD, before the first launch.
 *
 * A page in the table already counts as used in this epoch, and takes no room.
 */
#include <errno.h>

#include "run.h"

/* The pages of an array. */
struct span {
	uint64_t first, end;
};

static struct span span_of(const struct uhmm_cl_range *a)
{
	uintptr_t addr = (uintptr_t)a->addr;

	return (struct span){
		.first = addr >> PAGE_SHIFT,
		.end = ((addr + a->len - 1) >> PAGE_SHIFT) + 1,
	};
}

/* Is the page in the table?  Then mark it as used in this epoch.  Locked. */
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

/* Is the page in the table for reading only?  Locked. */
static bool is_read_only(struct table *t, uint64_t page)
{
	uint32_t index, *entry = table_find(t, page, &index);

	return entry && (*entry & (ENTRY_VALID | ENTRY_WRITE)) == ENTRY_VALID;
}

typedef bool page_is_fn(struct table *t, uint64_t page);

/* The first run of at most @max pages for which @is holds; empty: none. */
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

/* Bring pages while there is @room.  A launch misses the others later. */
static int bring_runs(struct uhmm_cl *cl, struct span s, page_is_fn *is,
		      bool write, uint64_t *room)
{
	int err = 0;

	while (*room && !err) {
		struct span run = next_run(&cl->table, s, *room, is);

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

/* Pages that are on the device for reading need no more room to be written. */
static int bring_array(struct uhmm_cl *cl, const struct uhmm_cl_range *a,
		       uint64_t *room)
{
	bool write = a->flags & UHMM_CL_WRITTEN;
	uint64_t all = UINT64_MAX;
	int err = bring_runs(cl, span_of(a), is_missing, write, room);

	if (err || !write)
		return err;
	return bring_runs(cl, span_of(a), is_read_only, true, &all);
}

static bool is_ahead(const struct uhmm_cl_range *a)
{
	return a->flags & UHMM_CL_AHEAD && a->len;
}

int bring_ahead(struct run *r)
{
	const struct uhmm_cl_range *a;
	struct table *t = &r->cl->table;
	uint64_t missing = 0, room;
	bool written = false;
	int err = 0;

	for (uint64_t i = 0; i < r->launch.nr_ranges; i++) {
		a = run_range(r, i);
		if (!is_ahead(a))
			continue;
		missing += count_missing(t, span_of(a));
		written = written || a->flags & UHMM_CL_WRITTEN;
	}
	if (!missing && !written)
		return 0;
	room = device_room(r->cl);
	if (missing > room)
		room += evict(r->cl, missing - room, &r->stats.evicted);
	for (uint64_t i = 0; i < r->launch.nr_ranges && !err; i++) {
		a = run_range(r, i);
		if (is_ahead(a))
			err = bring_array(r->cl, a, &room);
	}
	return err;
}
