// SPDX-License-Identifier: MIT
/*
 * service.c - brings the pages that a launch has missed.
 *
 * As many pages as fit are brought, in the order in which they were missed, so
 * that the pages of one work-item come together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run.h"

#define BATCH  ((uint64_t)16384) /* pages in one migration */
#define WINDOW ((uint64_t)16)	 /* aligned pages brought with a missed one */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define MAX_ADDRESS (DIR_ENTRIES << LEAF_BITS)

/* ---- Bringing ---------------------------------------------------------- */

static void *address(uint64_t page)
{
	return (void *)(uintptr_t)(page << PAGE_SHIFT);
}

/* The error if the page can never come, or 0. */
static int refusal(struct uhmm_cl *cl, uint64_t page, unsigned why)
{
	switch (why) {
	case UHMM_WHY_OK:
		return 0;
	case UHMM_WHY_NO_ROOM:
		return -ENOSPC;
	case UHMM_WHY_BUSY:
	case UHMM_WHY_TOUCHED:
	case UHMM_WHY_MAPPINGS:
		return -EAGAIN;
	case UHMM_WHY_UNMAPPED:
	case UHMM_WHY_POISONED:
		return say(cl, -EFAULT, "the kernel accesses %p, which is %s",
			   address(page), uhmm_why_name(why));
	case UHMM_WHY_UNSUPPORTED:
	case UHMM_WHY_FIXED:
		return say(cl, -EOPNOTSUPP,
			   "the kernel accesses %p, which cannot migrate: %s",
			   address(page), uhmm_why_name(why));
	case UHMM_WHY_IO:
		return say(cl, -EIO, "%p cannot be copied to the device",
			   address(page));
	default:
		return say(cl, -EBUSY, "%p stays in RAM: %s", address(page),
			   uhmm_why_name(why));
	}
}

/* The most severe outcome of a batch: a final error comes first. */
static int judge(struct uhmm_cl *cl, uint64_t page, uint64_t npages)
{
	int ret = 0;

	for (uint64_t i = 0; i < npages; i++) {
		int err = refusal(cl, page + i, cl->why[i]);

		if (err && err != -EAGAIN && err != -ENOSPC)
			return err;
		if (err && ret != -ENOSPC)
			ret = err;
	}
	return ret;
}

static int migrate_error(struct uhmm_cl *cl, uint64_t page, uint64_t npages,
			 int err)
{
	switch (err) {
	case -ENOMEM:
		return say(cl, -EFAULT,
			   "the kernel accesses %p to %p, where memory is not "
			   "mapped",
			   address(page), address(page + npages));
	case -EOPNOTSUPP:
		return say(cl, err, "the memory at %p cannot migrate",
			   address(page));
	case -ENODEV:
		return say(cl, err, "the device is lost");
	default:
		return say(cl, err, "the memory at %p cannot be moved: %s",
			   address(page), strerror(-err));
	}
}

static int enter_pages(struct uhmm_cl *cl, uint64_t page, uint64_t npages,
		       bool write)
{
	int err = uhmm_mirror_fault(cl->mirror, address(page), npages * PAGE,
				    UHMM_FAULT_PRESENT |
					    (write ? UHMM_FAULT_WRITE : 0));

	switch (err) {
	case 0:
		return 0;
	case -EPERM:
		return say(cl, err,
			   "the kernel writes to %p, which is read-only",
			   address(page));
	case -EFAULT:
		return say(cl, err,
			   "the kernel accesses %p, which is not there",
			   address(page));
	case -ENODEV:
		return say(cl, err, "the device is lost");
	case -ENOMEM:
		return -ENOSPC; /* the table is full */
	default:
		return say(cl, err, "%p cannot be entered: %s", address(page),
			   strerror(-err));
	}
}

/* The kernel reports pages as shared with a child after its end, too. */
static bool may_be_shared(uint8_t why)
{
	return why == UHMM_WHY_SHARED || why == UHMM_WHY_PINNED;
}

/*
 * A fork(2) leaves pages shared.  Such a page becomes the process's own again
 * by a write access that changes no byte.  Return: pages that may be its own
 * now.
 */
static uint64_t make_own(struct uhmm_cl *cl, uint64_t page, uint64_t npages)
{
	uint64_t n = 0, end;

	for (uint64_t i = 0; i < npages; i = end) {
		for (end = i + 1; end < npages; end++)
			if (cl->why[end] != cl->why[i])
				break;
		if (may_be_shared(cl->why[i]) &&
		    !madvise(address(page + i), (end - i) * PAGE,
			     MADV_POPULATE_WRITE))
			n += end - i;
	}
	return n;
}

static ssize_t migrate(struct uhmm_cl *cl, uint64_t page, uint64_t npages)
{
	ssize_t n = uhmm_migrate_why(cl->u, address(page), npages * PAGE,
				     cl->dev, cl->why);

	if (n < 0 || (uint64_t)n == npages || !make_own(cl, page, npages))
		return n;
	return uhmm_migrate_why(cl->u, address(page), npages * PAGE, cl->dev,
				cl->why);
}

static int bring_batch(struct uhmm_cl *cl, uint64_t page, uint64_t npages,
		       bool write)
{
	ssize_t n = migrate(cl, page, npages);
	int err, later = 0;

	if (n < 0)
		return migrate_error(cl, page, npages, (int)n);
	if ((uint64_t)n < npages)
		later = judge(cl, page, npages);
	if (later && later != -EAGAIN && later != -ENOSPC)
		return later;
	err = enter_pages(cl, page, npages, write);
	return err ? err : later;
}

int bring(struct uhmm_cl *cl, uint64_t page, uint64_t npages, bool write)
{
	uint64_t limit = cl->pool->npages < BATCH ? cl->pool->npages : BATCH;
	int later = 0;

	while (npages) {
		uint64_t n = npages < limit ? npages : limit;
		int err = bring_batch(cl, page, n, write);

		if (err == -EAGAIN)
			later = err;
		else if (err)
			return err;
		page += n;
		npages -= n;
	}
	return later;
}

/* ---- The list ---------------------------------------------------------- */

/* @limit: the most pages */
struct list {
	struct run *r;
	struct missed *missed;
	uint64_t nr, npages, limit;
};

/* Does the page have to come?  False: it is in the table, or on the list. */
static bool is_wanted(struct uhmm_cl *cl, uint64_t page, bool write)
{
	struct table *t = &cl->table;
	uint32_t index, *entry = table_find(t, page, &index);
	uint32_t need = ENTRY_VALID | (write ? ENTRY_WRITE : 0);

	if (!entry)
		return true;
	if ((*entry & need) == need || t->wanted[index] == cl->service)
		return false;
	t->wanted[index] = cl->service;
	return true;
}

static bool list_add(struct list *l, uint64_t page, bool write)
{
	struct missed *last = l->nr ? &l->missed[l->nr - 1] : NULL;

	if (!is_wanted(l->r->cl, page, write))
		return true;
	if (last && last->page + last->npages == page && last->write == write) {
		last->npages++;
	} else if (l->nr == RING_SIZE) {
		return false;
	} else {
		l->missed[l->nr++] = (struct missed){ page, 1, write };
	}
	l->npages++;
	return true;
}

static int make_list(struct list *l, uint64_t nr)
{
	struct uhmm_cl *cl = l->r->cl;
	const uint64_t *ring = (uint64_t *)cl->ring.host + RING_HEAD;
	bool has_room = true;
	sigset_t old = table_lock(&cl->table);
	int err = 0;

	for (uint64_t i = 0; i < nr && has_room && !err; i++) {
		uint64_t page = ring[i] >> 24, n = ring[i] >> 1 & 0x7fffff;

		if (page + n > MAX_ADDRESS)
			err = -EFAULT;
		for (; n && !err && has_room; n--, page++)
			has_room = l->npages < l->limit &&
				   list_add(l, page, ring[i] & 1);
	}
	table_unlock(&cl->table, old);
	if (err)
		say(cl, err, "the kernel accesses what is no address");
	return err;
}

/* Keep the first @npages pages of the list. */
static void cut_list(struct list *l, uint64_t npages)
{
	uint64_t sum = 0, i = 0;

	for (; i < l->nr && sum < npages; i++) {
		if (sum + l->missed[i].npages > npages)
			l->missed[i].npages = (uint32_t)(npages - sum);
		sum += l->missed[i].npages;
	}
	l->nr = i;
	l->npages = sum;
}

static int by_page(const void *a, const void *b)
{
	const struct missed *x = a, *y = b;

	return x->page < y->page ? -1 : x->page > y->page;
}

/* Sort by address, and join runs that touch. */
static void sort_list(struct list *l)
{
	uint64_t to = 0;

	qsort(l->missed, l->nr, sizeof(*l->missed), by_page);
	for (uint64_t i = 1; i < l->nr; i++) {
		struct missed *last = &l->missed[to], *next = &l->missed[i];

		if (next->page <= last->page + last->npages &&
		    next->write == last->write) {
			uint64_t end = next->page + next->npages;

			if (end > last->page + last->npages)
				last->npages = (uint32_t)(end - last->page);
		} else {
			l->missed[++to] = *next;
		}
	}
	l->nr = l->nr ? to + 1 : 0;
}

/* ---- What lies next to it ---------------------------------------------- */

/* Widen the run to WINDOW, within an array that the caller has named. */
static void widen(const struct run *r, struct missed *m)
{
	for (uint64_t i = 0; i < r->launch.nr_ranges; i++) {
		const struct uhmm_cl_range *a = run_range(r, i);
		uint64_t first = (uintptr_t)a->addr >> PAGE_SHIFT;
		uint64_t end =
			(((uintptr_t)a->addr + a->len - 1) >> PAGE_SHIFT) + 1;
		uint64_t from = m->page & ~(WINDOW - 1);
		uint64_t to = (m->page + m->npages + WINDOW - 1) &
			      ~(WINDOW - 1);

		if (!a->len || m->page < first || m->page + m->npages > end)
			continue;
		from = from < first ? first : from;
		to = to > end ? end : to;
		m->page = from;
		m->npages = (uint32_t)(to - from);
		return;
	}
}

static void widen_list(struct list *l, uint64_t room)
{
	if (l->nr * WINDOW * 2 + l->npages > room / 2)
		return;
	for (uint64_t i = 0; i < l->nr; i++)
		widen(l->r, &l->missed[i]);
	sort_list(l);
}

/* ---- The whole --------------------------------------------------------- */

static int bring_list(struct list *l)
{
	int later = 0;

	for (uint64_t i = 0; i < l->nr; i++) {
		int err = bring(l->r->cl, l->missed[i].page,
				l->missed[i].npages, l->missed[i].write);

		if (err == -EAGAIN || err == -ENOSPC)
			later = later == -ENOSPC ? later : err;
		else if (err)
			return err;
	}
	return later;
}

int service(struct run *r, uint64_t nr, uint64_t limit, uint64_t *ret_brought)
{
	struct list l = {
		.r = r,
		.missed = r->cl->missed,
		.limit = limit,
	};
	uint64_t room;
	bool cut = false;
	int err;

	r->cl->service++;
	*ret_brought = 0;
	err = make_list(&l, nr);
	if (err)
		return err;
	room = device_room(r->cl);
	if (l.npages > room)
		room += evict(r->cl, l.npages - room, &r->stats.evicted);
	cut = l.npages > room;
	if (cut)
		cut_list(&l, room);
	*ret_brought = l.npages;
	r->stats.faults += l.npages;
	sort_list(&l);
	widen_list(&l, room);
	err = bring_list(&l);
	return err ? err : cut ? -ENOSPC : 0;
}
