/* SPDX-License-Identifier: MIT */
/*
 * demote.c - the limit on RAM, held by a thread of its own.
 *
 * The demoter is a clock with second chance.  Its hand goes round the blocks
 * and parks them: their pages are frozen into frames, where the pages still
 * take RAM, but a touch is noticed and cheap.  Parked blocks are queued.  Pages
 * that are still frozen when their block is the oldest were not used, and are
 * demoted to the first device with room (tier.c).  Where pages cannot be frozen
 * into frames the hand demotes at once.
 *
 * The demoter starts before the limit is reached, so that a fault finds room; a
 * fault that finds none waits for the next step (room.c).  If no page can be
 * demoted, the limit is passed, and that is counted.  Pages that the program
 * calls cold (advise.c) are parked at once, and go before all others.
 *
 * Each charge group has its limit.  The demoter works for one group at a time
 * that is above its limit, and takes pages of that group and of the groups
 * below.  With charge=keep nothing is demoted: pages on devices count, too.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/limit/advise.h"
#include "core/limit/demote.h"
#include "core/limit/send.h"
#include "core/move/clean.h"
#include "core/move/fits.h"
#include "core/move/out.h"
#include "core/move/site_out.h"
#include "core/move/unchanged.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

#define FEW	  64 /* pages sent first, to see if that frees RAM */
#define MAX_TURNS 12 /* of the hand until the most accessed block is cold */

/* ---- The queue of parked blocks --------------------------------------- */

static void enqueue(struct uhmm *u, struct block *b, unsigned pages)
{
	struct policy *p = &u->policy;
	uint32_t at = (p->queue_head + p->queue_len) % p->queue_size;

	p->queue[at] = b->index;
	p->queue_len++;
	p->parked += pages;
	b->parked = (uint16_t)pages;
}

static struct block *dequeue(struct uhmm *u)
{
	struct policy *p = &u->policy;
	struct block *b = u->blocks[p->queue[p->queue_head]];

	p->queue_head = (p->queue_head + 1) % p->queue_size;
	p->queue_len--;
	p->parked -= b->parked;
	b->parked = 0;
	return b;
}

/* ---- Steps ------------------------------------------------------------ */

/* RAM pages of a block that may go. */
static void demotable(struct uhmm *u, struct block *b, struct mm_set *ret)
{
	set_clear(ret);
	block_lock(b);
	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++)
		if (page_is_demotable(b->table[i]))
			set_add(ret, i);
	block_unlock(u, b);
}

int demote_send(struct uhmm *u, struct block *b, const struct mm_set *want,
		struct uhmm_device *dev, enum out_how how, int64_t *ret_grew)
{
	uint64_t ram = atomic_load(&dev->ram);
	int n = device_is_site(dev) ? site_demote(u, b, want, dev, how) :
				      out_block(u, b, want, dev, how, NULL);

	kept_shed(u, b); /* other pages may stay in the slot */
	*ret_grew = (int64_t)(atomic_load(&dev->ram) - ram);
	return n;
}

static int send_demoted(struct uhmm *u, struct block *b,
			const struct mm_set *want, struct uhmm_device *dev,
			enum out_how how)
{
	int64_t grew;
	int n;

	if (!move_fits(u, b, dev))
		return 0;
	block_take_mover(u, b);
	n = demote_send(u, b, want, dev, how, &grew);
	block_let_go(u, b);
	if (n <= 0)
		return n;
	thrash_evicted(u, b);
	gain_note(u, b, (unsigned)n, grew);
	return n;
}

/* The first pages of @want that may be sent. */
static struct mm_set few(struct uhmm *u, struct block *b,
			 const struct mm_set *want)
{
	struct mm_set some;
	unsigned n = 0;

	set_clear(&some);
	block_lock(b);
	set_for_each(want, i) {
		if (n < FEW && page_in_ram(block_word(b, i))) {
			set_add(&some, i);
			n++;
		}
	}
	block_unlock(u, b);
	return some;
}

static int demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		  struct uhmm_device *dev, enum out_how how)
{
	struct mm_set some;
	int n, more;

	if (!gain_is_doubtful(b, dev))
		return send_demoted(u, b, want, dev, how);
	some = few(u, b, want);
	n = send_demoted(u, b, &some, dev, how);
	if (n <= 0 || gain_is_doubtful(b, dev))
		return n;
	more = send_demoted(u, b, want, dev, how);
	return more > 0 ? n + more : n;
}

static int demote_now(struct uhmm *u, struct block *b,
		      const struct mm_set *want)
{
	struct uhmm_device *dev = tier_make_room(u, b);
	int n = dev ? demote(u, b, want, dev, OUT_EVICT) : 0;

	return n > 0 ? n : 0;
}

static unsigned nr_in(struct uhmm *u, struct block *b, enum page_state s)
{
	unsigned n;

	block_lock(b);
	n = b->nr[s];
	block_unlock(u, b);
	return n;
}

/*
 * Demote the oldest parked block.  If it is not in @g, or no device has room,
 * it goes to the end of the queue.
 */
static int demote_oldest(struct uhmm *u, const struct uhmm_group *g)
{
	struct block *b = dequeue(u);
	struct uhmm_device *dev = NULL;
	struct mm_set all;
	unsigned left;
	int n = 0;

	set_fill(&all);
	if (charge_covers(g, b))
		dev = tier_make_room(u, b);
	if (dev)
		n = demote(u, b, &all, dev, OUT_DEMOTE);
	left = nr_in(u, b, P_FROZEN);
	if (left) /* the device did not take all; another device may */
		enqueue(u, b, left);
	return n > 0 ? n : 0;
}

/*
 * Demote the pages of @b that the program has called cold, and that no thread
 * has touched since.  Where pages cannot be parked no touch is noticed.
 */
static int demote_cold(struct uhmm *u, struct block *b, struct uhmm_device *dev)
{
	enum out_how how = u->mm->can_move ? OUT_DEMOTE : OUT_EVICT;
	struct mm_set cold = advise_take_cold(u, b);
	int n = demote(u, b, &cold, dev, how);
	unsigned left = nr_in(u, b, P_FROZEN);

	if (left && !b->parked)
		enqueue(u, b, left);
	return n > 0 ? n : 0;
}

static int coldest(struct uhmm *u, const struct uhmm_group *g)
{
	struct policy *p = &u->policy;
	int n = 0;

	for (uint32_t k = 0;
	     !n && atomic_load(&p->nr_cold) && k < atomic_load(&u->nr_blocks);
	     k++) {
		struct block *b =
			u->blocks[p->cold_hand++ % atomic_load(&u->nr_blocks)];
		struct uhmm_device *dev;

		if (!atomic_load(&b->is_cold) || !charge_covers(g, b))
			continue;
		gate_enter(u);
		dev = tier_make_room(u, b);
		n = dev ? demote_cold(u, b, dev) : 0;
		gate_leave(u);
	}
	return n;
}

/* Clean pages already have their device page, so they need no room there. */
static int drop_clean(struct uhmm *u, struct block *b)
{
	struct mm_set all;
	int n;

	if (!nr_in(u, b, P_CLEAN))
		return 0;
	set_fill(&all);
	block_take_mover(u, b);
	n = clean_drop(u, b, &all);
	block_let_go(u, b);
	if (n > 0)
		thrash_evicted(u, b);
	return n;
}

/*
 * Pages that a fork left shared are refused at first.  To unshare them, the
 * demoter writes to them, which faults; no fault may wait for the demoter
 * meanwhile.
 */
static int park(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	struct mm_set all;
	int n;

	set_fill(&all);
	n = out_park(u, b, &all);

	if (n || !u->mm->ops->unshare)
		return n;
	atomic_store(&u->room.faulting, 1);
	room_wake(u);
	u->mm->ops->unshare(u->mm, b->va, want);
	atomic_store(&u->room.faulting, 0);
	return out_park(u, b, &all);
}

/*
 * Park the pages of @b.  If they cannot be parked because another process has
 * them too, they are demoted at once.
 *
 * Clean pages are dropped first, since that costs no copy.  The other pages are
 * parked all the same, because pages that are read again and again always leave
 * some clean ones.  Return: pages parked or freed, 0 when the block has none.
 */
static int park_or_demote(struct uhmm *u, struct block *b, int *ret_freed)
{
	struct mm_set want;
	int n;

	*ret_freed = drop_clean(u, b);
	if (*ret_freed && !u->mm->can_move)
		return *ret_freed;
	demotable(u, b, &want);
	if (set_empty(&want) || !tier_with_room(u, b))
		return *ret_freed;
	n = u->mm->can_move ? park(u, b, &want) : 0;
	if (n > 0 && u->policy.queue_len < u->policy.queue_size)
		enqueue(u, b, (unsigned)n);
	if (!n)
		*ret_freed += demote_now(u, b, &want);
	return *ret_freed + (n > 0 ? n : 0);
}

/*
 * Did a device use the block recently?  Then the hand passes over it.  The
 * count halves at each turn, until the block is cold.
 */
static bool was_accessed(struct block *b)
{
	uint16_t n = atomic_load_explicit(&b->accessed, memory_order_relaxed);

	atomic_store_explicit(&b->accessed, n / 2, memory_order_relaxed);
	return n;
}

/* Turn the hand to the next block of @g with pages to park or free. */
static int turn_hand(struct uhmm *u, const struct uhmm_group *g, int *ret_freed)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	bool any_accessed = false;

	uint32_t turns = u->policy.queue_len ? 1 : MAX_TURNS;

	/* blocks that devices use, or that are held, come last */
	for (uint32_t k = 0; k < nr * turns; k++) {
		struct block *b = u->blocks[u->policy.hand++ % nr];
		int n;

		if (k == nr && !any_accessed)
			break;
		if (b->parked || !charge_covers(g, b) ||
		    !atomic_load_explicit(&b->nr_charged, memory_order_relaxed))
			continue;
		if (was_accessed(b) || (k < nr && thrash_holds(u, b))) {
			any_accessed = true;
			continue;
		}
		gate_enter(u);
		n = park_or_demote(u, b, ret_freed);
		gate_leave(u);
		if (n)
			return n;
	}
	return 0;
}

static int oldest(struct uhmm *u, const struct uhmm_group *g)
{
	int n;

	gate_enter(u);
	n = demote_oldest(u, g);
	gate_leave(u);
	return n;
}

static uint64_t nr_parked(struct uhmm *u, const struct uhmm_group *g)
{
	const struct policy *p = &u->policy;
	uint64_t n = 0;

	if (group_is_root(g))
		return p->parked;
	for (uint32_t k = 0; k < p->queue_len; k++) {
		uint32_t at = (p->queue_head + k) % p->queue_size;
		const struct block *b = u->blocks[p->queue[at]];

		n += charge_covers(g, b) ? b->parked : 0;
	}
	return n;
}

/* Are an eighth of the pages that may be in RAM parked? */
static bool enough_parked(struct uhmm *u, const struct uhmm_group *g)
{
	return nr_parked(u, g) >= charge_limit(g) / 8 ||
	       u->policy.queue_len == u->policy.queue_size;
}

/* Return: as demote_step() */
static int try_ways(struct uhmm *u, const struct uhmm_group *g)
{
	bool room = devices_take(u);
	bool enough = room && enough_parked(u, g);
	int freed = 0, n = room ? coldest(u, g) : 0;

	thrash_look(u);
	if (n)
		return n;
	if (!enough && turn_hand(u, g, &freed))
		return freed ? freed : -EAGAIN;
	for (uint32_t k = u->policy.queue_len; room && k && !n; k--)
		n = oldest(u, g);
	if (n || !enough)
		return n;
	/* all parked pages were touched, or no device had room for them */
	return turn_hand(u, g, &freed) && !freed ? -EAGAIN : freed;
}

int demote_step(struct uhmm *u, const struct uhmm_group *g)
{
	int n = try_ways(u, g);

	if (n > 0)
		count_add(&u->count.evicted, (uint64_t)n);
	return n;
}

/* The first group that is above its limit less @margins margins, or NULL. */
static struct uhmm_group *first_above(struct uhmm *u, unsigned margins)
{
	for (uint32_t n = 0; n < atomic_load(&u->charge.end); n++) {
		struct uhmm_group *g = charge_nth(u, n);

		if (g && charge_above(g, margins))
			return g;
	}
	return NULL;
}

/*
 * One step: park a block, or demote the oldest parked one.  Return: pages
 * freed; -EAGAIN when the step parked pages and there is more to do; 0 when
 * nothing is left to do.
 */
int policy_step(struct uhmm *u)
{
	struct uhmm_group *root = &u->charge.root, *g = first_above(u, 2);

	device_for_each(u, dev)
		unchanged_make_room(u, dev, 0);
	if (!g && atomic_load(&root->tier[0].limit) && !u->charge.keep)
		g = root; /* ahead of need */
	return g ? demote_step(u, g) : 0;
}
