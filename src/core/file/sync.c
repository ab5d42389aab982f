/* SPDX-License-Identifier: MIT */
/*
 * sync.c - what is dirty goes back to the file.
 *
 * DOC: What is dirty
 *
 * A page of a file is clean if its word names the file: P_DEVICE, it is there
 * only; P_CLEAN, it is in RAM as well, and the first write to it faults.  A
 * page on another device is clean if it is in block_file.same.  All else is
 * dirty: in RAM because it was written to, or because writes go unseen.
 *
 * DOC: Write-back
 *
 * A page in RAM is written from its address.  Before that it is protected and
 * marked (PAGE_SYNCING).  A write takes the mark away, by the fault that
 * unprotects the page, and so do a move and a discard.  A page that still has
 * its mark when all is on the disk becomes P_CLEAN.  So until then the page is
 * the only truth, and an error of a write or of the disk leaves it dirty.
 *
 * A page on a device is copied to a buffer, with its word P_COMING, and stays
 * there.
 *
 * Where the kernel's own faults are served, no lock is held while it reads the
 * pages, since such a fault may wait for room, and the demoter for a lock.
 * Where they are not, the mover lock is held, so that no page leaves.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/move.h"
#include "core/file/file.h"
#include "core/fork/gate.h"
#include "core/move/exclusive.h"
#include "core/move/home.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/dropped.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define REST_NS (100 * 1000)

/*
 * The write-back of one block at a time.
 * @now: until it is on the disk
 * @err: the first error
 * @want: pages of the file; @ram: to be written from their addresses
 * @done: were copied from devices; @failed: were not written
 * @buffer: a block of memory
 */
struct sync {
	struct file_map *m;
	struct block *b;
	bool now;
	int err;
	struct mm_set want, ram, done, failed;
	char *buffer;
	struct uhmm_segment seg[MM_BLOCK_PAGES];
	struct move move;
};

static uint64_t file_page(const struct sync *s, unsigned i)
{
	return block_file(s->b)->first + i;
}

static void note_failed(struct sync *s, unsigned first, unsigned last, int err)
{
	s->err = s->err ? s->err : err;
	set_add_run(&s->failed, first, last);
}

/* ---- Which pages are in RAM --------------------------------------------- */

/* Is a thread at work on a page, or is one in a frame?  Locked. */
static bool is_unsettled(const struct sync *s)
{
	set_for_each(&s->want, i) {
		uint64_t w = block_word(s->b, i);

		if (page_has(w, PAGE_MOVING | PAGE_IN_FRAME))
			return true;
	}
	return false;
}

/* Pages in frames go back to their addresses.  Return: those that are there. */
static struct mm_set settle_lock(struct sync *s) TAKES(s->b->lock) NOT_GUARDED
{
	struct uhmm *u = s->m->u;
	struct sys_wait w = { .all = &u->waits,
			      .what = "pages of a file to come to rest at",
			      .at = s->b->va };
	struct mm_set there;

	for (unsigned tries = 0;; tries++) {
		block_lock(s->b);
		home_thaw_set(u, s->b, &s->want, P_FROZEN);
		if (!is_unsettled(s) && !block_ensure_table(u, s->b) &&
		    !u->mm->ops->resident_now(u->mm, s->b->va, 0,
					      MM_BLOCK_PAGES, &there))
			break;
		block_unlock(u, s->b);
		sys_wait_note(&w);
		sys_rest(tries, REST_NS);
	}
	sys_wait_end(&w);
	return there;
}

/* Writes to a pinned page, and to one that is not protected, go unseen. */
static void protect_run(struct sync *s, unsigned first, unsigned last)
{
	struct mm *mm = s->m->u->mm;

	if (!mm->can_share ||
	    mm->ops->protect(mm, block_addr(s->b, first), last - first))
		return;
	for (unsigned i = first; i < last; i++)
		if (!page_pins(block_word(s->b, i)))
			block_flag(s->b, i, PAGE_SYNCING | PAGE_MARKED);
}

/*
 * After pages on devices were written: those that came home since are here,
 * and none leaves while this thread is the mover.
 */
static void pick_ram(struct sync *s)
{
	struct mm_set there = settle_lock(s);

	set_clear(&s->ram);
	set_for_each(&s->want, i)
		if (page_state(block_word(s->b, i)) == P_RAM &&
		    set_has(&there, i))
			set_add(&s->ram, i);
	set_for_each_run(&s->ram, first, last)
		protect_run(s, first, last);
	block_unlock(s->m->u, s->b);
}

/* ---- Pages in RAM ------------------------------------------------------- */

static bool is_at_address(struct sync *s, unsigned i)
{
	struct mm_set there;

	return s->m->u->mm->ops->resident(s->m->u->mm, s->b->va, i, i + 1,
					  &there) ||
	       set_has(&there, i);
}

/*
 * The kernel could not read one of the pages: the program has discarded it, and
 * where the kernel's faults are not served that is -EFAULT.
 */
static void write_one_by_one(struct sync *s, unsigned first, unsigned last)
{
	for (unsigned i = first; i < last; i++) {
		int err = file_write(s->m, (void *)block_addr(s->b, i),
				     file_page(s, i), 1);

		if (err && (err != -EFAULT || is_at_address(s, i)))
			note_failed(s, i, i + 1, err);
	}
}

static void write_ram(struct sync *s)
{
	struct uhmm *u = s->m->u;

	if (set_empty(&s->ram))
		return;
	mirror_invalidate_set(u, s->b, &s->ram, UHMM_NOTIFY_PROTECT);
	set_for_each_run(&s->ram, first, last) {
		int err = file_write(s->m, (void *)block_addr(s->b, first),
				     file_page(s, first), last - first);

		if (err == -EFAULT)
			write_one_by_one(s, first, last);
		else if (err)
			note_failed(s, first, last, err);
	}
}

/* ---- Pages on devices --------------------------------------------------- */

/* Is page @i on a device, dirty, and not written yet?  Locked. */
static bool is_dirty_away(const struct sync *s, unsigned i)
{
	uint64_t w = block_word(s->b, i);

	return page_state(w) == P_DEVICE && !block_rests(s->b, w) &&
	       !set_has(&block_file(s->b)->same, i) && !set_has(&s->done, i);
}

/* Mark the pages of one device.  Return: whether there was one. */
static bool mark_away(struct sync *s)
{
	struct move *m = &s->move;

	move_init(m, s->m->u, s->b, NULL);
	set_clear(&m->set);
	block_lock(s->b);
	set_for_each(&s->want, i) {
		uint64_t w = block_word(s->b, i);

		if (!is_dirty_away(s, i))
			continue;
		if (!m->dev)
			m->dev = device_get(m->u, page_dev(w));
		if (page_dev(w) != m->dev->id)
			continue;
		m->dpfn[i] = page_dpfn(w);
		set_add(&m->set, i);
		block_arrive(m->u, s->b, i, m->dev->id, m->dpfn[i], E_FETCH);
	}
	block_unlock(m->u, s->b);
	s->done = set_or(&s->done, &m->set);
	return m->dev;
}

/* The page stays on its device, unless that is lost, or the page dropped. */
static void land_again(struct sync *s, unsigned i)
{
	struct move *m = &s->move;
	bool ours = move_is_coming(m, i);

	if (ours && !device_has_lost(m->dev, m->dpfn[i])) {
		block_arrive(m->u, s->b, i, m->dev->id, m->dpfn[i], E_STAY);
		return;
	}
	if (ours) {
		block_poison(m->u, s->b, i);
		note_failed(s, i, i + 1, -EIO);
	}
	set_del(&m->set, i);
	move_spare(m, m->dpfn[i]);
}

/* Copy the part of the set into the buffer; what fails is taken out. */
static void copy_part(struct sync *s, unsigned first, unsigned last)
{
	struct move *m = &s->move;
	struct mm_set part = set_part(&m->set, first, last);
	unsigned nr, mid = first + (last - first) / 2;

	if (set_empty(&part))
		return;
	nr = move_segments(&part, m->dpfn, s->buffer, s->seg);
	if (!device_copy_out(m->dev, s->seg, nr, move_first(m, &part)))
		return;
	if (last - first == 1) {
		note_failed(s, first, last, -EIO);
		return;
	}
	copy_part(s, first, mid);
	copy_part(s, mid, last);
}

/*
 * Only a device that tells of its writes has pages of which it is known that
 * they are what was written; an error takes that back.
 */
static void note_same(struct sync *s, const struct mm_set *set)
{
	struct block_file *f = block_file(s->b);

	if (!s->now || !(s->move.dev->desc.flags & UHMM_DEVICE_TELLS_WRITES))
		return;
	set_for_each(set, i)
		set_add(&f->same, i);
}

static void write_buffer(struct sync *s, const struct mm_set *set)
{
	set_for_each_run(set, first, last) {
		int err = file_write(s->m, s->buffer + first * MM_PAGE_SIZE,
				     file_page(s, first), last - first);

		if (err)
			note_failed(s, first, last, err);
	}
}

static void write_away(struct sync *s)
{
	struct move *m = &s->move;
	struct mm_set good;

	while (mark_away(s)) {
		mirror_invalidate_set(m->u, s->b, &m->set, UHMM_NOTIFY_MIGRATE);
		copy_part(s, 0, MM_BLOCK_PAGES);
		block_lock(s->b);
		set_for_each(&m->set, i)
			land_again(s, i);
		good = set_minus(&m->set, &s->failed);
		note_same(s, &good);
		block_unlock(m->u, s->b);
		block_settle(m->u, s->b, false);
		move_free_spare(m);
		write_buffer(s, &good);
	}
}

/* ---- The end ------------------------------------------------------------ */

/* Pages that were not written are dirty still. */
static void forget_failed(struct sync *s)
{
	if (set_empty(&s->failed))
		return;
	block_lock(s->b);
	set_for_each(&s->failed, i) {
		set_del(&block_file(s->b)->same, i);
		if (page_state(block_word(s->b, i)) == P_RAM && s->b->table)
			block_unflag(s->b, i, PAGE_SYNCING);
	}
	block_unlock(s->m->u, s->b);
}

static void sync_block(struct sync *s)
{
	struct uhmm *u = s->m->u;
	bool served = u->mm->can_share;

	set_clear(&s->done);
	set_clear(&s->failed);
	dropped_wait(u, s->b, &s->want);
	gate_enter(u);
	block_take_mover(u, s->b);
	exclusive_end(u, s->b, &s->want, 0);
	write_away(s);
	pick_ram(s);
	if (!served)
		write_ram(s);
	block_let_go(u, s->b);
	gate_leave(u);
	if (served)
		write_ram(s);
	forget_failed(s);
}

/* If @good, a page that still has its mark is as it is on the disk. */
static void confirm_block(struct sync *s, bool good)
{
	const struct block_file *f = block_file(s->b);

	block_lock(s->b);
	set_for_each(&s->want, i) {
		uint64_t w = block_word(s->b, i);

		if (page_state(w) != P_RAM || !(w & PAGE_SYNCING))
			continue;
		if (good && !page_pins(w))
			block_arrive(s->m->u, s->b, i, f->dev, f->first + i,
				     E_SHARE);
		else
			block_unflag(s->b, i, PAGE_SYNCING);
	}
	if (s->now && !good)
		set_clear(&block_file(s->b)->same);
	block_unlock(s->m->u, s->b);
}

/* Point @s to the block at @at.  Return: whether it has pages of the file. */
static bool aim_at(struct sync *s, uintptr_t at, uintptr_t end)
{
	struct mm_set managed;

	s->b = block_find(s->m->u, at);
	if (!s->b || !block_file(s->b))
		return false;
	region_set(s->m->u, at, end, &managed);
	s->want = set_and(&managed, &block_file(s->b)->set);
	return !set_empty(&s->want);
}

static int sync_range(struct sync *s, uintptr_t start, uintptr_t end)
{
	bool good = s->now;
	uintptr_t last;

	for (uintptr_t at = start; at < end; at = last) {
		last = block_part_end(at, end);
		if (aim_at(s, at, last))
			sync_block(s);
	}
	if (s->now) {
		int err = sys_file_sync(&s->m->file);

		s->err = s->err ? s->err : err;
		good = !err;
	}
	for (uintptr_t at = start; at < end; at = last) {
		last = block_part_end(at, end);
		if (aim_at(s, at, last))
			confirm_block(s, good);
	}
	return s->err;
}

int file_sync(struct file_map *m, uintptr_t start, uintptr_t end, bool now)
{
	struct sync *s;
	int err = -ENOMEM;

	if (!file_is_writable(m)) /* no page was ever written to */
		return 0;
	s = sys_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->m = m;
	s->now = now;
	s->buffer = sys_alloc(MM_BLOCK_SIZE);
	if (s->buffer) {
		sys_mutex_lock(&m->syncing);
		err = sync_range(s, start, end);
		sys_mutex_unlock(&m->syncing);
	}
	sys_free(s->buffer, MM_BLOCK_SIZE);
	sys_free(s, sizeof(*s));
	return err;
}

int do_file_sync(struct uhmm *u, uintptr_t addr, size_t len, unsigned flags)
{
	struct file_map *m = file_find(u, addr, len);

	return m ? file_sync(m, addr, addr + len, flags) : -EINVAL;
}
