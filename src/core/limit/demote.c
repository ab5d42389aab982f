/* SPDX-License-Identifier: MIT */
/*
 * demote.c - the limit on RAM, held by a thread of its own.
 *
 * A clock with second chance.  Its hand goes round the blocks and parks them:
 * their pages are frozen into frames, where they still are RAM but a touch is
 * noticed, and cheap.  Parked blocks queue; what is still frozen in the oldest
 * when its turn comes was not used, and is demoted to the first device with
 * room.  Where pages cannot be frozen into frames the hand demotes at once.
 *
 * The thread starts before the limit is reached, so that a fault finds room;
 * one that does not waits for the next step (room.c).  When nothing can be
 * demoted the limit is passed, and counted.
 *
 * Each charge group has its limit.  The thread works for one group that is
 * above its own at a time, and takes pages of that group and of those below.
 * With charge=keep nothing is demoted: that would not make it less.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/limit/demote.h"
#include "core/move/clean.h"
#include "core/move/fits.h"
#include "core/move/node_out.h"
#include "core/move/out.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/slot.h"

#define FEW	  64 /* pages, to see whether that frees RAM */
#define MAX_TURNS 12 /* until what was accessed most is cold */

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

/* For pages of @b. */
static struct uhmm_device *device_with_room(struct uhmm *u,
					    const struct block *b)
{
	for (unsigned id = 1; id < MAX_DEVICES; id++) {
		struct uhmm_device *dev = device_get(u, id);

		if (dev && device_takes(dev) && charge_has_room(u, b, dev) &&
		    gain_expected(b, dev))
			return dev;
	}
	return NULL;
}

/* RAM pages of a block that may go. */
static void demotable(struct uhmm *u, struct block *b, struct mm_set *ret)
{
	set_clear(ret);
	block_lock(b);
	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++) {
		uint64_t w = b->table[i];

		if (page_state(w) == P_RAM && w & PAGE_CHARGED && !page_pins(w))
			set_add(ret, i);
	}
	block_unlock(u, b);
}

static int send_demoted(struct uhmm *u, struct block *b,
			const struct mm_set *want, struct uhmm_device *dev,
			enum out_how how)
{
	uint64_t ram = atomic_load(&dev->ram);
	int n;

	if (!move_fits(u, b, dev))
		return 0;
	block_take_mover(u, b);
	n = device_is_node(dev) ? node_demote(u, b, want, dev, how) :
				  out_block(u, b, want, dev, how, NULL);
	kept_shed(u, b); /* other pages may stay in the slot */
	block_let_go(u, b);
	if (n > 0)
		gain_note(u, b, (unsigned)n,
			  (int64_t)(atomic_load(&dev->ram) - ram));
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
	struct uhmm_device *dev = device_with_room(u, b);
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

/* What is not @g's, or finds no room, goes to the end of the queue. */
static int demote_oldest(struct uhmm *u, const struct uhmm_group *g)
{
	struct block *b = dequeue(u);
	struct uhmm_device *dev = device_with_room(u, b);
	struct mm_set all;
	unsigned left;
	int n = 0;

	memset(&all, 0xff, sizeof(all));
	if (dev && charge_covers(g, b))
		n = demote(u, b, &all, dev, OUT_DEMOTE);
	left = nr_in(u, b, P_FROZEN);
	if (left) /* the device took not all; there may be another */
		enqueue(u, b, left);
	return n > 0 ? n : 0;
}

/* Pages that are on a device still need no room there. */
static int drop_clean(struct uhmm *u, struct block *b)
{
	struct mm_set all;
	int n;

	if (!nr_in(u, b, P_CLEAN))
		return 0;
	memset(&all, 0xff, sizeof(all));
	block_take_mover(u, b);
	n = clean_drop(u, b, &all);
	block_let_go(u, b);
	return n;
}

/*
 * Pages that a fork left behind are refused at first.  While this thread may
 * wait for a fault of its own, faults must not wait for it.
 */
static int park(struct uhmm *u, struct block *b, const struct mm_set *want)
{
	int n = out_park(u, b);

	if (n || !u->mm->ops->unshare)
		return n;
	atomic_store(&u->room.faulting, 1);
	room_wake(u);
	u->mm->ops->unshare(u->mm, b->va, want);
	atomic_store(&u->room.faulting, 0);
	return out_park(u, b);
}

/*
 * What cannot be parked, as another process has it too, goes at once.
 *
 * Clean pages go first, for nothing, and the others are parked all the same:
 * where pages come home to be read again and again, there are always some.
 * Return: pages parked or freed, 0 when the block has none.
 */
static int park_or_demote(struct uhmm *u, struct block *b, int *ret_freed)
{
	struct mm_set want;
	int n;

	*ret_freed = drop_clean(u, b);
	if (*ret_freed && !u->mm->can_move)
		return *ret_freed;
	demotable(u, b, &want);
	if (set_empty(&want) || !device_with_room(u, b))
		return *ret_freed;
	n = u->mm->can_move ? park(u, b, &want) : 0;
	if (n > 0 && u->policy.queue_len < u->policy.queue_size)
		enqueue(u, b, (unsigned)n);
	if (!n)
		*ret_freed += demote_now(u, b, &want);
	return *ret_freed + (n > 0 ? n : 0);
}

/* A device used it of late: not now.  It takes that many turns to grow cold. */
static bool was_accessed(struct block *b)
{
	uint16_t n = atomic_load_explicit(&b->accessed, memory_order_relaxed);

	atomic_store_explicit(&b->accessed, n / 2, memory_order_relaxed);
	return n;
}

/* Turn the hand to the next block of @g that has something. */
static int turn_hand(struct uhmm *u, const struct uhmm_group *g, int *ret_freed)
{
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	bool any_accessed = false;

	uint32_t turns = u->policy.queue_len ? 1 : MAX_TURNS;

	/* what devices use comes up in the end, when nothing else is left */
	for (uint32_t k = 0; k < nr * turns; k++) {
		struct block *b = u->blocks[u->policy.hand++ % nr];
		int n;

		if (k == nr && !any_accessed)
			break;
		if (b->parked || !charge_covers(g, b) ||
		    !atomic_load_explicit(&b->nr_charged, memory_order_relaxed))
			continue;
		if (was_accessed(b)) {
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

/* Some pages are parked for a while, an eighth of what may be in RAM. */
static bool enough_parked(struct uhmm *u, const struct uhmm_group *g)
{
	return nr_parked(u, g) >= charge_limit(g) / 8 ||
	       u->policy.queue_len == u->policy.queue_size;
}

int demote_step(struct uhmm *u, const struct uhmm_group *g)
{
	bool room = devices_take(u);
	bool enough = room && enough_parked(u, g);
	int freed = 0, n = 0, turned;

	if (!enough && turn_hand(u, g, &freed)) {
		count_add(&u->count.evicted, (uint64_t)freed);
		return freed ? freed : -EAGAIN;
	}
	for (uint32_t k = u->policy.queue_len; room && k && !n; k--)
		n = oldest(u, g);
	count_add(&u->count.evicted, (uint64_t)n);
	if (n || !enough)
		return n;
	/* all that was parked has been touched, or found no room */
	turned = turn_hand(u, g, &freed);
	count_add(&u->count.evicted, (uint64_t)freed);
	return freed || !turned ? freed : -EAGAIN;
}

/* The first group that is so far above its limit, or NULL. */
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
 * freed; -EAGAIN when it parked and there is more to do; 0 when nothing is
 * left to do.
 */
int policy_step(struct uhmm *u)
{
	struct uhmm_group *root = &u->charge.root, *g = first_above(u, 2);

	if (!g && atomic_load(&root->tier[0].limit) && !u->charge.keep)
		g = root; /* ahead of need */
	return g ? demote_step(u, g) : 0;
}
