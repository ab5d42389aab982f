// SPDX-License-Identifier: MIT
/*
 * fake.c - a page table in plain memory: the backend's half, see fake.h.
 *
 * Each call does under one lock what the kernel does under its own, so that
 * what holds for every interleaving here needs no kernel, and runs under any
 * sanitizer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uhmm/uhmm.h>

#include "fake_int.h"
#include "sys/fail.h"
#include "sys/sys.h"

_Noreturn void fake_bug(const char *what, uintptr_t addr)
{
	fprintf(stderr, "fake: %s at %#jx\n", what, (uintmax_t)addr);
	abort();
}

void fake_wake_all(struct fake *f)
{
	atomic_fetch_add(&f->wakes, 1);
	sys_futex_wake(&f->wakes, INT32_MAX);
}

bool fake_refuses(struct fake *f)
{
	if (!f->one_in)
		return false;
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random % f->one_in == 0;
}

/*
 * Called before and after the client is told: a thread that reads the number
 * together with the client's words learns of any change between the two.
 */
static void count_mapping(struct fake *f)
{
	sys_mutex_lock(&f->lock);
	f->mappings++;
	sys_mutex_unlock(&f->lock);
}

void fake_event_begin(struct fake *f)
{
	sys_mutex_lock(&f->event);
	atomic_fetch_add(&f->pending, 1);
	count_mapping(f);
}

void fake_event_end(struct fake *f)
{
	count_mapping(f);
	atomic_fetch_sub(&f->pending, 1);
	sys_mutex_unlock(&f->event);
	fake_wake_all(f);
}

/* ---- Which addresses ---- */

struct fake_page *fake_lock_page(struct fake *f, uintptr_t addr)
{
	if (!fake_is_inside(addr, addr + MM_PAGE_SIZE))
		fake_bug("address outside of the space", addr);
	sys_mutex_lock(&f->lock);
	return &f->pages[fake_index(addr)];
}

static enum mm_kind kind_at(struct fake *f, uintptr_t addr)
{
	const struct fake_page *page;

	if (!fake_is_inside(addr, addr + MM_PAGE_SIZE))
		return MM_UNMAPPED;
	page = &f->pages[fake_index(addr)];
	if (page->fd)
		return MM_UNSUPPORTED;
	return page->kind ? page->kind : MM_UNMAPPED;
}

/* Where the page after @addr begins; outside of the space, its edge. */
static uintptr_t step(uintptr_t addr, uintptr_t end)
{
	uintptr_t next = addr + MM_PAGE_SIZE;

	if (addr < FAKE_BASE)
		next = FAKE_BASE;
	if (addr >= FAKE_END)
		next = end;
	return next < end ? next : end;
}

static ssize_t fake_survey(struct mm *mm, uintptr_t start, uintptr_t end,
			   struct mm_extent *ret, size_t max)
{
	struct fake *f = fake_of(mm);
	size_t nr = 0;

	if (sys_should_fail("fake survey"))
		return -ENOMEM;
	sys_mutex_lock(&f->lock);
	while (start < end) {
		enum mm_kind kind = kind_at(f, start);

		if (!nr || ret[nr - 1].kind != kind) {
			if (nr == max)
				break;
			ret[nr++] = (struct mm_extent){ start, start, kind };
		}
		start = step(start, end);
		ret[nr - 1].end = start;
	}
	sys_mutex_unlock(&f->lock);
	return (ssize_t)nr;
}

static int check_trackable(struct fake *f, uintptr_t start, uintptr_t end)
{
	for (uintptr_t at = start; at < end; at += MM_PAGE_SIZE) {
		if (kind_at(f, at) != MM_ANON)
			return kind_at(f, at) == MM_UNMAPPED ? -ENOMEM :
							       -EINVAL;
		if (f->pages[fake_index(at)].marks & FAKE_FOREIGN)
			return -EBUSY;
	}
	return 0;
}

static int fake_track(struct mm *mm, uintptr_t start, uintptr_t end)
{
	struct fake *f = fake_of(mm);
	const struct mm_client *c = mm->client;
	int err;

	if (sys_should_fail("fake track"))
		return -ENOMEM;
	fake_event_begin(f);
	sys_mutex_lock(&f->lock);
	err = check_trackable(f, start, end);
	for (uintptr_t at = start; !err && at < end; at += MM_PAGE_SIZE)
		f->pages[fake_index(at)].is_tracked = true;
	sys_mutex_unlock(&f->lock);
	if (!err && c->tracked)
		err = c->tracked(c->priv, start, end);
	fake_event_end(f);
	return err;
}

static int fake_untrack(struct mm *mm, uintptr_t start, uintptr_t end,
			mm_forget_fn *forget, void *priv)
{
	struct fake *f = fake_of(mm);
	int err;

	sys_mutex_lock(&f->event); /* one step with forget(), see mm.h */
	err = forget ? forget(priv, start, end) : 0;
	sys_mutex_lock(&f->lock);
	for (; !err && start < end; start += MM_PAGE_SIZE) {
		struct fake_page *page = &f->pages[fake_index(start)];

		if (page->state == FAKE_PROTECTED) /* could not be lifted */
			page->state = FAKE_PRESENT;
		page->is_tracked = false;
	}
	sys_mutex_unlock(&f->lock);
	sys_mutex_unlock(&f->event);
	fake_wake_all(f);
	return err;
}

/* ---- In ---- */

/* Can a page be put at @va, where nothing is? */
static int check_empty(struct fake *f, uintptr_t va)
{
	const struct fake_page *page = &f->pages[fake_index(va)];

	if (!fake_is_inside(va, va + MM_PAGE_SIZE) || !page->kind ||
	    !page->is_tracked)
		return -ENOENT;
	return page->state == FAKE_EMPTY && !page->fd ? 0 : -EEXIST;
}

/* Put pages there as @state, from @src or, without, from zeroes. */
static ssize_t put_fake_pages(struct fake *f, uintptr_t va, const void *src,
			      size_t npages, enum fake_state state,
			      const char *what)
{
	size_t done = 0;
	int err = 0;

	if (sys_should_fail(what))
		return -ENOMEM;
	fake_lock_page(f, va);
	if (atomic_load(&f->pending) || fake_refuses(f))
		err = -EAGAIN;
	for (; !err && done < npages; done++, va += MM_PAGE_SIZE) {
		if (done && fake_refuses(f))
			break;
		err = check_empty(f, va);
		if (err)
			break;
		if (src)
			memcpy(fake_bytes(f, va),
			       (const char *)src + done * MM_PAGE_SIZE,
			       MM_PAGE_SIZE);
		else
			memset(fake_bytes(f, va), 0, MM_PAGE_SIZE);
		f->pages[fake_index(va)].state = (uint8_t)state;
		f->pages[fake_index(va)].node = 0;
	}
	sys_mutex_unlock(&f->lock);
	if (done)
		fake_wake_all(f);
	return done ? (ssize_t)done : err;
}

static ssize_t fake_fill(struct mm *mm, uintptr_t va, const void *src,
			 size_t npages)
{
	if (!src)
		fake_bug("fill from NULL", va);
	return put_fake_pages(fake_of(mm), va, src, npages, FAKE_PRESENT,
			      "fake fill");
}

static ssize_t fake_fill_shared(struct mm *mm, uintptr_t va, const void *src,
				size_t npages)
{
	return put_fake_pages(fake_of(mm), va, src, npages, FAKE_PROTECTED,
			      "fake fill shared");
}

static ssize_t fake_give(struct mm *mm, uintptr_t va, uintptr_t frame,
			 size_t npages, bool *ret_moved)
{
	struct fake *f = fake_of(mm);
	unsigned char *src;
	ssize_t done;

	sys_mutex_lock(&f->lock);
	src = fake_frame(f, frame, npages);
	sys_mutex_unlock(&f->lock);
	done = put_fake_pages(f, va, src, npages, FAKE_PRESENT, "fake give");
	if (done < 0)
		return done;
	*ret_moved = mm->can_move;
	if (mm->can_move)
		memset(src, 0, (size_t)done * MM_PAGE_SIZE);
	return done;
}

static ssize_t fake_zero(struct mm *mm, uintptr_t va, size_t npages, bool write)
{
	(void)write;
	return put_fake_pages(fake_of(mm), va, NULL, npages, FAKE_PRESENT,
			      "fake zero");
}

static int fake_poison(struct mm *mm, uintptr_t va, size_t npages)
{
	struct fake *f = fake_of(mm);
	int err = 0;

	if (sys_should_fail("fake poison"))
		return -EAGAIN;
	fake_lock_page(f, va);
	if (atomic_load(&f->pending))
		err = -EAGAIN;
	for (; !err && npages; npages--, va += MM_PAGE_SIZE) {
		err = check_empty(f, va);
		if (!err)
			f->pages[fake_index(va)].state = FAKE_POISONED;
	}
	sys_mutex_unlock(&f->lock);
	fake_wake_all(f);
	return err;
}

static void fake_wake(struct mm *mm, uintptr_t va, size_t npages)
{
	(void)va, (void)npages;
	fake_wake_all(fake_of(mm));
}

/* ---- Slots ---- */

static uintptr_t fake_slots(struct mm *mm, size_t nr)
{
	struct fake *f = fake_of(mm);
	uintptr_t first = 0;

	if (sys_should_fail("fake slots"))
		return 0;
	sys_mutex_lock(&f->lock);
	if (nr > f->nr_slots) /* more than a test can use: what there is */
		nr = f->nr_slots;
	if (nr && nr <= f->nr_slots - f->slots_used) {
		first = (uintptr_t)f->slots + f->slots_used * MM_BLOCK_SIZE;
		f->slots_used += nr;
	}
	sys_mutex_unlock(&f->lock);
	return first;
}

static void fake_drop(struct mm *mm, uintptr_t frame, size_t npages)
{
	struct fake *f = fake_of(mm);

	sys_mutex_lock(&f->lock);
	(void)madvise(fake_frame(f, frame, npages), npages * MM_PAGE_SIZE,
		      MADV_DONTNEED);
	sys_mutex_unlock(&f->lock);
}

/* ---- Open and close ---- */

static int fake_features(struct mm *mm, char *buf, size_t len)
{
	return snprintf(buf, len, "%s%s", mm->is_inline ? "inline" : "threads",
			mm->can_move ? ",move" : "");
}

static void fake_child(struct mm *mm)
{
	fake_of(mm)->is_dead = true;
}

static void fake_close(struct mm *mm)
{
	struct fake *f = fake_of(mm);

	if (f->slots)
		sys_free(f->slots, f->nr_slots * MM_BLOCK_SIZE);
	if (f->home)
		sys_free(f->home, FAKE_BLOCKS * MM_BLOCK_SIZE);
	if (f->pages)
		sys_free(f->pages, FAKE_PAGES * sizeof(*f->pages));
	sys_free(f, sizeof(*f));
}

static const struct mm_ops fake_ops = {
	.close = fake_close,
	.child = fake_child,
	.survey = fake_survey,
	.track = fake_track,
	.untrack = fake_untrack,
	.resident = fake_resident,
	.resident_now = fake_resident,
	.look = fake_look,
	.populate = fake_populate,
	.freeze = fake_freeze,
	.stash = fake_stash,
	.unprotect = fake_unprotect,
	.fill = fake_fill,
	.fill_shared = fake_fill_shared,
	.give = fake_give,
	.zero = fake_zero,
	.poison = fake_poison,
	.wake = fake_wake,
	.avoid = fake_avoid,
	.isolate = fake_isolate,
	.site_look = fake_node_look,
	.site_move = fake_node_move,
	.kmod = &fake_kmod_ops,
	.stamp = fake_stamp,
	.place = fake_place,
	.unplace = fake_unplace,
	.is_placed = fake_is_placed,
	.resume = fake_resume,
	.slots = fake_slots,
	.drop = fake_drop,
	.features = fake_features,
};

/* Memory for @nr blocks that counts only where it is touched; may be NULL. */
static unsigned char *blocks_alloc(size_t nr)
{
	size_t len = nr * MM_BLOCK_SIZE;
	void *p = len ? sys_reserve(len, MM_BLOCK_SIZE) : NULL;

	if (p && mprotect(p, len, PROT_READ | PROT_WRITE)) {
		sys_free(p, len);
		return NULL;
	}
	return p;
}

static bool allocate(struct fake *f)
{
	f->pages = sys_alloc(FAKE_PAGES * sizeof(*f->pages));
	f->home = blocks_alloc(FAKE_BLOCKS);
	f->slots = blocks_alloc(f->nr_slots);
	return f->pages && f->home && (f->slots || !f->nr_slots);
}

int mm_fake_open(const struct mm_params *params, struct mm **ret_mm)
{
	struct fake *f = sys_alloc(sizeof(*f));
	const char *off = params->features_off;

	if (!f)
		return -ENOMEM;
	f->mm.ops = &fake_ops;
	f->mm.client = params->client;
	sys_mutex_set_rank(&f->event, RANK_EVENT);
	f->mm.can_move = !off || !strstr(off, "move");
	f->mm.is_inline = params->fault_mode == UHMM_FAULTS_INLINE;
	f->mm.can_share = !f->mm.is_inline;
	f->nr_slots = params->nr_slots;
	if (!allocate(f)) {
		fake_close(&f->mm);
		return -ENOMEM;
	}
	for (size_t i = 0; i < FAKE_PAGES; i++)
		f->pages[i].state = FAKE_EMPTY;
	*ret_mm = &f->mm;
	return 0;
}
