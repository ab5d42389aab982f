/* SPDX-License-Identifier: MIT */
/*
 * site_out.c - pages of one block go to a device that is a site.
 *
 * DOC: Steps
 *
 *	1  home     what is in frames or on another device becomes RAM; what is
 *		    nothing yet is filled with zeroes
 *	2  select   which pages can go, and a dpfn for each, to be counted
 *	3  move     by the kernel, without locks.  The pages can be used
 *	4  arrive   those that are there now, and nothing else since, are
 *		    P_COHERENT; what went along, as a part of the same huge page
 *		    perhaps, goes back
 *
 * The library copies no data here, so no data can be lost: a stale word is
 * wrong about the place of a page, never about its data.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/device/move.h"
#include "core/fork/gate.h"
#include "core/move/home.h"
#include "core/move/out.h"
#include "core/move/site_out.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define FILL_TRIES 1000

/*
 * @managed: pages of the block that are managed
 * @before: the sites of the pages before the move; @n: the move and its pages
 * @zero: holes
 * @again: pages in swap, or mapped to the shared page of zeroes: to be written
 * @strays: pages that moved and should not have
 */
struct site_move {
	struct mm_set managed, zero, again, strays;
	struct mm_sites before, n;
	struct booking booking;
	uint64_t room; /* charge=keep: pages that may be added */
	struct move m; /* from its @dpfn on not initialized; @spare is used */
};

static void site_move_init(struct site_move *m, struct uhmm *u, struct block *b,
			   struct uhmm_device *dev, uint8_t *why)
{
	memset(m, 0, offsetof(struct site_move, m));
	move_init(&m->m, u, b, dev);
	m->m.why = why;
}

/* ---- 1, 2: select ----------------------------------------------------- */

/* charge=keep: would the page be one more, and is there no room for it? */
static bool is_too_much(struct site_move *m, uint64_t w)
{
	if (page_in_ram(w))
		return false;
	if (!m->room)
		return true;
	m->room--;
	return false;
}

static void select_site_ram(struct site_move *m, unsigned i, bool there)
{
	uint64_t w = block_word(m->m.b, i);

	if (page_pins(w))
		m->m.why[i] = UHMM_WHY_PINNED;
	else if (is_too_much(m, w))
		m->m.why[i] = UHMM_WHY_NO_ROOM;
	else if (!there)
		set_add(&m->zero, i);
	else if (page_state(w) == P_RAM)
		set_add(&m->n.set, i);
	else /* P_DROPPED and the like: about to go */
		m->m.why[i] = UHMM_WHY_BUSY;
}

static void select_site_page(struct site_move *m, unsigned i, bool there)
{
	uint64_t w = block_word(m->m.b, i);

	switch (page_state(w)) {
	case P_RAM:
	case P_EMPTY:
	case P_DROPPED:
		select_site_ram(m, i, there);
		break;
	case P_COHERENT:
		m->m.why[i] = page_dev(w) == m->m.dev->id ? UHMM_WHY_OK :
							    UHMM_WHY_BUSY;
		break;
	case P_DEVICE: /* it could not be brought home */
		m->m.why[i] = UHMM_WHY_IO;
		break;
	case P_POISONED:
		m->m.why[i] = UHMM_WHY_POISONED;
		break;
	default:
		m->m.why[i] = UHMM_WHY_BUSY;
	}
}

static void keep_first(struct mm_set *set, unsigned *room, uint8_t *why)
{
	set_for_each(set, i) {
		if (*room) {
			--*room;
			continue;
		}
		set_del(set, i);
		why[i] = UHMM_WHY_NO_ROOM;
	}
}

/* A dpfn for each page, or the pages for which there is none stay. */
static void take_dpfns(struct site_move *m)
{
	unsigned n = set_count(&m->n.set) + set_count(&m->zero), room;

	m->m.nspare = charge_alloc(m->m.u, m->m.b, m->m.dev, n, m->m.spare,
				   &m->booking);
	room = m->m.nspare;
	keep_first(&m->n.set, &room, m->m.why);
	keep_first(&m->zero, &room, m->m.why);
}

/*
 * Fill holes [i, last) with zeroes.  Return: how many pages are present now,
 * -errno.
 */
static int fill_run(struct site_move *m, unsigned i, unsigned last)
{
	ssize_t n = m->m.u->mm->ops->zero(
		m->m.u->mm, m->m.b->va + i * MM_PAGE_SIZE, last - i, true);

	if (n == -EEXIST) /* it is there after all: that one counts */
		n = 1;
	for (ssize_t k = 0; k < n; k++) {
		block_home(m->m.u, m->m.b, i + (unsigned)k, E_ZERO);
		set_add(&m->n.set, i + (unsigned)k);
	}
	return (int)n;
}

static int fill_all(struct site_move *m)
{
	set_for_each_run(&m->zero, first, last) {
		for (unsigned i = first; i < last;) {
			int n = fill_run(m, i, last);

			if (n == -EAGAIN)
				return n;
			if (n <= 0)
				m->m.why[i] = UHMM_WHY_BUSY;
			i += n > 0 ? (unsigned)n : 1;
		}
	}
	return 0;
}

/*
 * Caller holds the block's lock.  Return: 0, -EAGAIN when the address space is
 * changing, -errno.
 */
static int select_site_pages(struct site_move *m, const struct mm_set *want)
{
	const struct mm_ops *ops = m->m.u->mm->ops;
	struct mm_set there, mine;
	int err = block_ensure_table(m->m.u, m->m.b);

	block_managed(m->m.u, m->m.b, &m->managed);
	mine = set_and(want, &m->managed);
	if (!err)
		err = ops->resident(m->m.u->mm, m->m.b->va, 0, MM_BLOCK_PAGES,
				    &there);
	if (err)
		return err;
	m->room = charge_room(m->m.u, m->m.b);
	set_for_each(want, i)
		m->m.why[i] = UHMM_WHY_UNMAPPED;
	set_for_each(&mine, i)
		select_site_page(m, i, set_has(&there, i));
	take_dpfns(m);
	err = fill_all(m);
	m->before.va = m->m.b->va;
	m->before.set = m->managed;
	return err ? err : ops->site_look(m->m.u->mm, &m->before);
}

static void drop_dpfns(struct site_move *m)
{
	move_free_spare(&m->m);
	charge_booked(m->m.dev, &m->booking);
}

static int prepare_site_move(struct site_move *m, const struct mm_set *want)
{
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < FILL_TRIES; tries++) {
		if (tries)
			sys_yield();
		drop_dpfns(m);
		set_clear(&m->n.set);
		set_clear(&m->zero);
		block_lock(m->m.b);
		err = select_site_pages(m, want);
		block_unlock(m->m.u, m->m.b);
	}
	return err;
}

/* ---- 4: arrive -------------------------------------------------------- */

static bool is_on_site(const struct site_move *m, const struct mm_sites *n,
		       unsigned i)
{
	return n->on[i] == m->m.dev->site;
}

/* The kernel module does not tell the shared page of zeroes from others. */
static bool may_be_zeroes(const struct site_move *m, unsigned i)
{
	return device_is_kmod(m->m.dev) && m->m.why[i] == UHMM_WHY_BUSY;
}

static void arrive_page(struct site_move *m, const struct mm_sites *now,
			unsigned i)
{
	uint64_t w = block_word(m->m.b, i);
	bool ours = page_state(w) == P_RAM && !page_pins(w);

	if (is_on_site(m, now, i) && ours) {
		block_arrive(m->m.u, m->m.b, i, m->m.dev->id,
			     m->m.spare[--m->m.nspare], E_PLACE);
		m->m.why[i] = UHMM_WHY_OK;
		m->m.went++;
		return;
	}
	m->m.why[i] = m->n.why[i] ? m->n.why[i] : UHMM_WHY_BUSY;
	if (ours && (now->on[i] < 0 || may_be_zeroes(m, i)))
		set_add(&m->again, i);
}

/*
 * Find pages that the application unmapped or moved while the kernel moved
 * them.
 */
static void find_gone(struct site_move *m, const struct mm_sites *now)
{
	set_for_each(&m->n.set, i)
		if (m->before.on[i] >= 0 &&
		    (!set_has(&now->set, i) || now->on[i] < 0))
			atomic_store(&m->m.dev->has_strays, true);
}

/* Find pages that are at the site now, were not before, and should not be. */
static void find_site_strays(struct site_move *m, const struct mm_sites *now)
{
	set_for_each(&now->set, i)
		if (is_on_site(m, now, i) && !is_on_site(m, &m->before, i) &&
		    page_state(block_word(m->m.b, i)) != P_COHERENT)
			set_add(&m->strays, i);
}

static void arrive_on_site(struct site_move *m)
{
	struct mm_sites now = { .va = m->m.b->va };
	struct mm_set left;

	block_lock(m->m.b);
	block_managed(m->m.u, m->m.b, &m->managed);
	now.set = m->managed;
	left = set_minus(&m->n.set, &m->managed);
	set_for_each(&left, i)
		m->m.why[i] = UHMM_WHY_UNMAPPED;
	left = set_and(&m->n.set, &m->managed);
	/* block_unlock() frees a plain table: so ensure it again. */
	if (!block_ensure_table(m->m.u, m->m.b) &&
	    !m->m.u->mm->ops->site_look(m->m.u->mm, &now)) {
		set_for_each(&left, i)
			arrive_page(m, &now, i);
		find_site_strays(m, &now);
		find_gone(m, &now);
	}
	block_unlock(m->m.u, m->m.b);
	count_add(&m->m.dev->pages_in, m->m.went);
	count_add(&m->m.u->count.to_device, m->m.went);
}

/* Pages that came home with a stray have not arrived: correct @why, @went. */
static void unsay(struct site_move *m)
{
	block_lock(m->m.b);
	set_for_each(&m->n.set, i) {
		if (m->m.why[i] != UHMM_WHY_OK ||
		    page_state(block_word(m->m.b, i)) == P_COHERENT)
			continue;
		m->m.why[i] = UHMM_WHY_BUSY;
		m->m.went--;
	}
	block_unlock(m->m.u, m->m.b);
}

/* Send strays back.  Other pages of the same huge page may go along. */
static void send_back(struct site_move *m)
{
	struct mm_sites back = { .va = m->m.b->va, .to = MM_SITE_HOME };
	struct mm_set none;

	if (set_empty(&m->strays))
		return;
	set_clear(&none);
	back.set = m->strays;
	m->m.u->mm->ops->site_move(m->m.u->mm, &back);
	site_recount(m->m.u, m->m.b, &none, m->m.dev, NULL);
	unsay(m);
}

/* ---- The whole -------------------------------------------------------- */

static void fetch_others(struct site_move *m, const struct mm_set *want)
{
	struct mm_set others = *want;

	block_lock(m->m.b);
	set_for_each(want, i) {
		uint64_t w = block_word(m->m.b, i);

		if (page_state(w) == P_COHERENT && page_dev(w) == m->m.dev->id)
			set_del(&others, i);
	}
	block_unlock(m->m.u, m->m.b);
	home_block(m->m.u, m->m.b, &others, NULL, HOME_MIGRATE, NULL);
}

/* Pages that the kernel module has brought home are to go again. */
static void correct_words(struct site_move *m)
{
	struct mm_set none;

	set_clear(&none);
	if (device_is_kmod(m->m.dev))
		site_recount(m->m.u, m->m.b, &none, m->m.dev, NULL);
}

static int move_to_site_once(struct site_move *m, const struct mm_set *want)
{
	int err;

	memset(m->m.why, UHMM_WHY_BUSY, MM_BLOCK_PAGES);
	correct_words(m);
	fetch_others(m, want);
	set_clear(&m->again);
	set_clear(&m->strays);
	m->m.went = 0;
	err = prepare_site_move(m, want);
	if (!err && !set_empty(&m->n.set)) {
		m->n.va = m->m.b->va;
		m->n.to = m->m.dev->site;
		mirror_invalidate_set(m->m.u, m->m.b, &m->n.set,
				      UHMM_NOTIFY_MIGRATE);
		m->m.u->mm->ops->site_move(m->m.u->mm, &m->n);
		arrive_on_site(m);
		send_back(m);
		/* A mirror fault may have entered the old place. */
		mirror_invalidate_set(m->m.u, m->m.b, &m->n.set,
				      UHMM_NOTIFY_MIGRATE);
	}
	drop_dpfns(m);
	site_note_ram(m->m.dev);
	return err;
}

/*
 * Write to pages, as the application would.  The write may fault, and the fault
 * may wait until the demoter makes room: so this thread holds neither gate nor
 * mover lock.
 */
static void write_outside_gate(struct site_move *m)
{
	gate_leave(m->m.u);
	set_for_each_run(&m->again, first, last)
		m->m.u->mm->ops->populate(m->m.u->mm,
					  m->m.b->va + first * MM_PAGE_SIZE,
					  last - first, true);
	gate_enter(m->m.u);
}

static void count_refused(struct site_move *m, const struct mm_set *want)
{
	unsigned n = 0;

	set_for_each(want, i)
		n += m->m.why[i] != UHMM_WHY_OK;
	count_add(&m->m.u->count.refused, n);
}

int site_out(struct uhmm *u, struct block *b, const struct mm_set *want,
	     struct uhmm_device *dev, uint8_t *why)
{
	struct site_move m;
	int err = 0;

	site_move_init(&m, u, b, dev, why);
	for (int pass = 0; pass < 2 && !err; pass++) {
		if (pass)
			write_outside_gate(&m);
		block_take_mover(u, b);
		err = move_to_site_once(&m, want);
		block_let_go(u, b);
		if (set_empty(&m.again))
			break;
	}
	count_refused(&m, want);
	return err == -EAGAIN ? 0 : err; /* kept changing: busy */
}

int site_demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how)
{
	uint8_t why[MM_BLOCK_PAGES];
	struct mm_set set = *want;
	struct site_move m;
	unsigned full = 0;
	int err;

	site_move_init(&m, u, b, dev, why);
	block_lock(b);
	set_for_each(want, i)
		if (how == OUT_DEMOTE &&
		    page_state(block_word(b, i)) != P_FROZEN)
			set_del(&set, i);
	block_unlock(u, b);
	err = move_to_site_once(&m, &set);
	set_for_each(&set, i)
		full += why[i] == UHMM_WHY_NO_ROOM;
	if (!err)
		device_answered(dev, m.m.went, full, full > 0);
	return err ? err : (int)m.m.went;
}
