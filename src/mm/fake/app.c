// SPDX-License-Identifier: MIT
/*
 * app.c - what a program does to the fake page table, see fake.h.
 *
 * Events keep the order of a real kernel: an unmap or a remap shows in the
 * table first and is told then; a discard is told first and empties the range
 * after that, while faults are served again already.
 */
#include <errno.h>
#include <string.h>

#include "fake_int.h"
#include "sys/sys.h"

/* ---- Mappings ---- */

static void check_app_range(uintptr_t start, uintptr_t end)
{
	if (!fake_is_inside(start, end) || (start | end) % MM_PAGE_SIZE)
		fake_bug("bad range", start);
}

/* Under the lock: is all of it mapped, or none? */
static bool is_all(struct fake *f, uintptr_t start, uintptr_t end, bool mapped)
{
	for (; start < end; start += MM_PAGE_SIZE) {
		if (!f->pages[fake_index(start)].kind == mapped)
			return false;
	}
	return true;
}

int fake_map(struct mm *mm, uintptr_t start, uintptr_t end, enum mm_kind kind)
{
	struct fake *f = fake_of(mm);
	bool is_free;

	check_app_range(start, end);
	sys_mutex_lock(&f->lock);
	is_free = is_all(f, start, end, false);
	for (; is_free && start < end; start += MM_PAGE_SIZE)
		f->pages[fake_index(start)] = (struct fake_page){
			.kind = kind,
			.state = FAKE_EMPTY,
		};
	sys_mutex_unlock(&f->lock);
	return is_free ? 0 : -EEXIST;
}

void fake_mark(struct mm *mm, uintptr_t start, uintptr_t end, unsigned marks,
	       bool on)
{
	struct fake *f = fake_of(mm);

	check_app_range(start, end);
	sys_mutex_lock(&f->lock);
	for (; start < end; start += MM_PAGE_SIZE) {
		struct fake_page *page = &f->pages[fake_index(start)];

		if (on)
			page->marks |= (uint8_t)marks;
		else
			page->marks &= (uint8_t)~marks;
	}
	sys_mutex_unlock(&f->lock);
}

/* ---- Events ---- */

/* The next run of tracked pages, from *@start on. */
static bool next_tracked(struct fake *f, uintptr_t *start, uintptr_t *ret_end,
			 uintptr_t end)
{
	sys_mutex_lock(&f->lock);
	while (*start < end && !f->pages[fake_index(*start)].is_tracked)
		*start += MM_PAGE_SIZE;
	*ret_end = *start;
	while (*ret_end < end && f->pages[fake_index(*ret_end)].is_tracked)
		*ret_end += MM_PAGE_SIZE;
	sys_mutex_unlock(&f->lock);
	return *start < end;
}

static void empty_run(struct fake *f, uintptr_t start, uintptr_t end)
{
	sys_mutex_lock(&f->lock);
	for (; start < end; start += MM_PAGE_SIZE)
		f->pages[fake_index(start)].state = FAKE_EMPTY;
	sys_mutex_unlock(&f->lock);
}

static void unmap_run(struct fake *f, uintptr_t start, uintptr_t end)
{
	sys_mutex_lock(&f->lock);
	for (; start < end; start += MM_PAGE_SIZE)
		f->pages[fake_index(start)] = (struct fake_page){
			.state = FAKE_EMPTY,
		};
	sys_mutex_unlock(&f->lock);
}

/* As Linux: an unmapped page goes before its event, a discarded one after. */
static void drop_app_range(struct mm *mm, uintptr_t start, uintptr_t end,
			   bool unmaps)
{
	struct fake *f = fake_of(mm);
	const struct mm_client *c = mm->client;
	uintptr_t first = start, last;
	bool tracked;

	check_app_range(start, end);
	do { /* no page comes to be tracked in between: see fake_track() */
		fake_event_begin(f);
		tracked = next_tracked(f, &first, &last, end);
		if (unmaps)
			unmap_run(f, start, last);
		if (tracked)
			(unmaps ? c->unmap : c->discard)(c->priv, first, last);
		fake_event_end(f);
		if (!unmaps)
			empty_run(f, start, last);
		start = first = last;
	} while (tracked);
	fake_wake_all(f);
}

void fake_munmap(struct mm *mm, uintptr_t start, uintptr_t end)
{
	drop_app_range(mm, start, end, true);
}

void fake_discard(struct mm *mm, uintptr_t start, uintptr_t end)
{
	drop_app_range(mm, start, end, false);
}

static void move_pages(struct fake *f, uintptr_t from, uintptr_t to, size_t len)
{
	for (size_t at = 0; at < len; at += MM_PAGE_SIZE) {
		struct fake_page *page = &f->pages[fake_index(from + at)];

		if (page->state != FAKE_EMPTY)
			memcpy(fake_bytes(f, to + at), fake_bytes(f, from + at),
			       MM_PAGE_SIZE);
		f->pages[fake_index(to + at)] = *page;
		*page = (struct fake_page){ .state = FAKE_EMPTY };
	}
}

/* Tell of the tracked pages, which are at their new place already. */
static void tell_remap(struct fake *f, uintptr_t from, uintptr_t to, size_t len)
{
	const struct mm_client *c = f->mm.client;
	uintptr_t first = to, last;

	while (next_tracked(f, &first, &last, to + len)) {
		c->remap(c->priv, first - to + from, first, last - first);
		first = last;
	}
}

int fake_mremap(struct mm *mm, uintptr_t from, uintptr_t to, size_t len)
{
	struct fake *f = fake_of(mm);
	int err = 0;

	check_app_range(from, from + len);
	check_app_range(to, to + len);
	fake_event_begin(f);
	sys_mutex_lock(&f->lock);
	if (!is_all(f, from, from + len, true))
		err = -EFAULT;
	else if (!is_all(f, to, to + len, false))
		err = -EEXIST;
	else
		move_pages(f, from, to, len);
	sys_mutex_unlock(&f->lock);
	if (!err)
		tell_remap(f, from, to, len);
	fake_event_end(f);
	return err;
}

/* ---- The CPU ---- */

/* One access within one page. */
struct access {
	uintptr_t addr;
	void *to;	  /* read */
	const void *from; /* write */
	size_t len;
};

enum {
	ACCESS_FAULTS = 1
};

static void touch(struct fake *f, const struct fake_page *page,
		  const struct access *a)
{
	unsigned char *bytes = fake_bytes(f, a->addr);

	if (page->fd)
		bytes = fake_file_bytes(page, a->addr) + a->addr % MM_PAGE_SIZE;
	if (a->to)
		memcpy(a->to, bytes, a->len);
	else
		memcpy(bytes, a->from, a->len);
}

/* As the CPU with its page table.  ACCESS_FAULTS: @ret_flags say how. */
static int try_access(struct fake *f, const struct access *a,
		      unsigned *ret_flags)
{
	struct fake_page *page = &f->pages[fake_index(a->addr)];

	*ret_flags = a->from ? MM_FAULT_WRITE : 0;
	if (!page->kind)
		return -EFAULT;
	if (a->from && page->marks & FAKE_READONLY)
		return -EACCES;
	if (page->state == FAKE_POISONED)
		return -EIO;
	if (page->state == FAKE_EMPTY) {
		if (page->is_tracked)
			return ACCESS_FAULTS;
		if (page->fd)
			fake_bug("device memory that nobody watches", a->addr);
		memset(fake_bytes(f, a->addr & ~(MM_PAGE_SIZE - 1)), 0,
		       MM_PAGE_SIZE);
		page->state = FAKE_PRESENT;
		page->node = 0;
	}
	if (page->state == FAKE_PROTECTED && a->from) {
		*ret_flags |= MM_FAULT_WP;
		return ACCESS_FAULTS;
	}
	if (!fake_kmod_touch(f, page))
		return -EIO;
	touch(f, page, a);
	return 0;
}

/* Sleep until something changed since @seen.  false: out of patience. */
static bool wait_for_change(struct fake *f, uint32_t seen, uint64_t deadline)
{
	uint64_t now;

	while (atomic_load(&f->wakes) == seen) {
		now = sys_now_ns();
		if (now >= deadline)
			return false;
		sys_futex_wait(&f->wakes, seen, deadline - now);
	}
	return true;
}

/* ACCESS_FAULTS: try again. */
static int deliver(struct fake *f, uintptr_t addr, unsigned flags,
		   uint32_t seen)
{
	const struct mm_client *c = f->mm.client;
	uint64_t deadline = sys_now_ns() + FAKE_PATIENCE_NS;

	/* no fault is delivered before the events that precede it */
	if (atomic_load(&f->pending))
		return wait_for_change(f, seen, deadline) ? ACCESS_FAULTS :
							    -ETIMEDOUT;
	if (f->mm.is_inline)
		flags |= MM_FAULT_MAY_BLOCK;
	switch (c->fault(c->priv, addr, flags)) {
	case MM_RESOLVED:
		return ACCESS_FAULTS;
	case MM_RETRY:
		sys_yield();
		return ACCESS_FAULTS;
	case MM_WAIT:
		return wait_for_change(f, seen, deadline) ? ACCESS_FAULTS :
							    -ETIMEDOUT;
	case MM_SIGBUS:
		return -EIO;
	}
	fake_bug("unknown outcome of a fault", addr);
}

static int access_page(struct fake *f, const struct access *a)
{
	unsigned flags;
	uint32_t seen;
	int err;

	do {
		/* before the look, so that no wake in between is lost */
		seen = atomic_load(&f->wakes);
		sys_mutex_lock(&f->lock);
		err = try_access(f, a, &flags);
		sys_mutex_unlock(&f->lock);
		if (err == ACCESS_FAULTS)
			err = deliver(f, a->addr, flags, seen);
	} while (err == ACCESS_FAULTS);
	return err;
}

/* Page after page; one of @to and @from is NULL. */
static int access_all(struct mm *mm, uintptr_t addr, char *to, const char *from,
		      size_t len)
{
	struct fake *f = fake_of(mm);

	while (len) {
		size_t part = MM_PAGE_SIZE - addr % MM_PAGE_SIZE;
		struct access a = { addr, to, from, part < len ? part : len };
		int err;

		if (!fake_is_inside(addr, addr + a.len))
			return -EFAULT;
		err = access_page(f, &a);
		if (err)
			return err;
		addr += a.len;
		len -= a.len;
		to = to ? to + a.len : NULL;
		from = from ? from + a.len : NULL;
	}
	return 0;
}

int fake_cpu_read(struct mm *mm, uintptr_t addr, void *buf, size_t len)
{
	return access_all(mm, addr, buf, NULL, len);
}

int fake_cpu_write(struct mm *mm, uintptr_t addr, const void *buf, size_t len)
{
	return access_all(mm, addr, NULL, buf, len);
}

/* ---- Looking and adjusting ---- */

static struct fake_page look_at_app_page(struct mm *mm, uintptr_t addr)
{
	struct fake *f = fake_of(mm);
	struct fake_page page;

	check_app_range(addr, addr + MM_PAGE_SIZE);
	sys_mutex_lock(&f->lock);
	page = f->pages[fake_index(addr)];
	sys_mutex_unlock(&f->lock);
	return page;
}

enum fake_state fake_state(struct mm *mm, uintptr_t addr)
{
	struct fake_page page = look_at_app_page(mm, addr);

	return page.kind ? page.state : FAKE_UNMAPPED;
}

bool fake_is_tracked(struct mm *mm, uintptr_t addr)
{
	return look_at_app_page(mm, addr).is_tracked;
}

void fake_set_move(struct mm *mm, bool can_move)
{
	struct fake *f = fake_of(mm);

	sys_mutex_lock(&f->lock);
	mm->can_move = can_move;
	sys_mutex_unlock(&f->lock);
}

void fake_set_refusals(struct mm *mm, unsigned one_in, uint64_t seed)
{
	struct fake *f = fake_of(mm);

	sys_mutex_lock(&f->lock);
	f->one_in = one_in;
	f->random = seed * 2 + 1;
	sys_mutex_unlock(&f->lock);
}
