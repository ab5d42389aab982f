/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the limit on RAM, held by a thread of its own.
 *
 * A clock with second chance.  Its hand goes round the blocks and parks them:
 * their pages are frozen into frames, where they still are RAM but a touch is
 * noticed, and cheap.  Parked blocks queue; what is still frozen in the oldest
 * when its turn comes was not used, and is demoted to the first device with
 * room.  Where pages cannot be frozen into frames the hand demotes at once.
 *
 * The thread starts before the limit is reached, so that a fault finds room;
 * one that does not waits for the next step, but never for one that will not
 * come: when nothing can be demoted the limit is passed, and counted.
 */
#include <errno.h>

#include "core/core.h"

#define MIN_MARGIN 64
#define RETRY_NS   (10 * 1000 * 1000)
#define MAX_TURNS  12 /* until what was accessed most is cold */

static uint64_t ram_used(struct uhmm *u)
{
	int64_t ram = atomic_load_explicit(&u->ram, memory_order_relaxed);

	return (uint64_t)(ram > 0 ? ram : 0) +
	       atomic_load_explicit(&u->slots.pages, memory_order_relaxed);
}

/* Pages below the limit at which the thread starts; it frees twice that. */
static uint64_t margin(uint64_t limit)
{
	uint64_t m = limit / 32;

	if (m < MIN_MARGIN)
		m = MIN_MARGIN;
	return m < limit / 4 ? m : limit / 4;
}

static bool above(struct uhmm *u, unsigned margins)
{
	uint64_t limit = atomic_load(&u->policy.limit);

	return limit && ram_used(u) + margins * margin(limit) > limit;
}

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

static void wake_throttled(struct uhmm *u)
{
	struct policy *p = &u->policy;
	uintptr_t list[MAX_THROTTLED];
	unsigned n;

	sys_mutex_lock(&p->lock);
	n = p->nr_throttled;
	memcpy(list, p->throttled, n * sizeof(*list));
	p->nr_throttled = 0;
	sys_mutex_unlock(&p->lock);
	while (n)
		u->mm->ops->wake(u->mm, list[--n], 1);
	atomic_fetch_add(&p->freed, 1);
	sys_futex_wake(&p->freed, INT32_MAX);
}

/* ---- Steps ------------------------------------------------------------ */

static struct uhmm_device *device_with_room(struct uhmm *u)
{
	for (unsigned id = 1; id < MAX_DEVICES; id++) {
		struct uhmm_device *dev = device_get(u, id);

		if (dev && !dev->pagemap.closed && pagemap_room(&dev->pagemap))
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

static int demote(struct uhmm *u, struct block *b, const struct mm_set *want,
		  struct uhmm_device *dev, enum out_how how)
{
	int n;

	sys_mutex_lock(&b->mover);
	n = out_block(u, b, want, dev, how, NULL);
	sys_mutex_unlock(&b->mover);
	return n;
}

static int demote_now(struct uhmm *u, struct block *b,
		      const struct mm_set *want)
{
	struct uhmm_device *dev = device_with_room(u);
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

static int demote_oldest(struct uhmm *u, struct uhmm_device *dev)
{
	struct block *b = dequeue(u);
	struct mm_set all;
	unsigned left;
	int n;

	memset(&all, 0xff, sizeof(all));
	n = demote(u, b, &all, dev, OUT_DEMOTE);
	left = nr_in(u, b, P_FROZEN);
	if (left) /* the device is full; there may be another */
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
	sys_mutex_lock(&b->mover);
	n = clean_drop(u, b, &all);
	sys_mutex_unlock(&b->mover);
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
	atomic_store(&u->policy.faulting, 1);
	wake_throttled(u);
	u->mm->ops->unshare(u->mm, b->va, want);
	atomic_store(&u->policy.faulting, 0);
	return out_park(u, b);
}

/*
 * What cannot be parked, as another process has it too, goes at once.
 * Return: pages parked or freed, 0 when the block has none.
 */
static int park_or_demote(struct uhmm *u, struct block *b, int *ret_freed)
{
	struct mm_set want;
	int n;

	*ret_freed = drop_clean(u, b);
	if (*ret_freed)
		return *ret_freed;
	demotable(u, b, &want);
	if (set_empty(&want) || !device_with_room(u))
		return 0;
	if (!u->mm->can_move) {
		*ret_freed = demote_now(u, b, &want);
		return *ret_freed;
	}
	n = park(u, b, &want);
	if (n > 0 && u->policy.queue_len < u->policy.queue_size)
		enqueue(u, b, (unsigned)n);
	if (n)
		return n > 0 ? n : 0;
	*ret_freed = demote_now(u, b, &want);
	return *ret_freed;
}

/* A device used it of late: not now.  It takes that many turns to grow cold. */
static bool was_accessed(struct block *b)
{
	uint16_t n = atomic_load_explicit(&b->accessed, memory_order_relaxed);

	atomic_store_explicit(&b->accessed, n / 2, memory_order_relaxed);
	return n;
}

/* Turn the hand to the next block that has something. */
static int turn_hand(struct uhmm *u, int *ret_freed)
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
		if (b->parked ||
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

static int oldest(struct uhmm *u, struct uhmm_device *dev)
{
	int n;

	gate_enter(u);
	n = demote_oldest(u, dev);
	gate_leave(u);
	return n;
}

/* Some pages are parked for a while, an eighth of the limit. */
static bool enough_parked(struct uhmm *u)
{
	return u->policy.parked >= atomic_load(&u->policy.limit) / 8 ||
	       u->policy.queue_len == u->policy.queue_size;
}

/*
 * One step: park a block, or demote the oldest parked one.  Return: pages
 * freed; -EAGAIN when it parked and there is more to do; 0 when nothing is
 * left to do.
 */
int policy_step(struct uhmm *u)
{
	struct uhmm_device *dev = device_with_room(u);
	bool enough = dev && enough_parked(u);
	int freed = 0, n = 0, turned;

	if (!enough && turn_hand(u, &freed)) {
		count_add(&u->count.evicted, (uint64_t)freed);
		return freed ? freed : -EAGAIN;
	}
	for (uint32_t k = u->policy.queue_len; dev && k && !n; k--)
		n = oldest(u, dev);
	count_add(&u->count.evicted, (uint64_t)n);
	if (n || !enough)
		return n;
	/* all that was parked has been touched, or found no room */
	turned = turn_hand(u, &freed);
	count_add(&u->count.evicted, (uint64_t)freed);
	return freed || !turned ? freed : -EAGAIN;
}

/* ---- Faults that wait for room ---------------------------------------- */

/* Is there no room, and hope that some will be made? */
bool policy_full(struct uhmm *u)
{
	return above(u, 0) && u->policy.running && !u->policy.stop &&
	       !atomic_load(&u->policy.idle) &&
	       !atomic_load(&u->policy.faulting);
}

static bool wait_for_room(struct uhmm *u)
{
	for (int i = 0; i < 500 && policy_full(u); i++) {
		uint32_t seen = atomic_load(&u->policy.freed);

		policy_kick(u);
		if (policy_full(u))
			sys_futex_wait(&u->policy.freed, seen, RETRY_NS);
	}
	return false;
}

bool policy_throttle(struct uhmm *u, uintptr_t addr, unsigned flags)
{
	struct policy *p = &u->policy;
	bool wait;

	if (!policy_full(u))
		return false;
	count_add(&u->count.limit_waits, 1);
	if (flags & MM_FAULT_MAY_BLOCK)
		return wait_for_room(u);
	sys_mutex_lock(&p->lock);
	wait = policy_full(u) && p->nr_throttled < MAX_THROTTLED;
	if (wait)
		p->throttled[p->nr_throttled++] = addr & ~(MM_PAGE_SIZE - 1);
	sys_mutex_unlock(&p->lock);
	policy_kick(u);
	return wait;
}

/* ---- The thread ------------------------------------------------------- */

void policy_kick(struct uhmm *u)
{
	struct policy *p = &u->policy;

	if (atomic_load_explicit(&p->kick, memory_order_relaxed) ||
	    atomic_exchange(&p->kick, 1))
		return;
	sys_futex_wake(&p->kick, 1);
}

static void make_room(struct uhmm *u)
{
	int n = 1;

	while (n && above(u, 2) && !u->policy.stop) {
		n = policy_step(u);
		if (n > 0)
			wake_throttled(u);
	}
	if (!n)
		slot_trim(u, 0);
	if (!n && above(u, 0)) {
		atomic_store(&u->policy.idle, 1);
		count_add(&u->count.limit_exceeded, 1);
	}
	wake_throttled(u);
}

static void policy_main(void *arg)
{
	struct uhmm *u = arg;
	struct policy *p = &u->policy;

	while (!p->stop) {
		if (!atomic_load(&p->kick))
			sys_futex_wait(&p->kick, 0,
				       atomic_load(&p->idle) ? RETRY_NS : 0);
		atomic_store(&p->kick, 0);
		atomic_store(&p->idle, 0);
		if (above(u, 1))
			make_room(u);
		else
			wake_throttled(u);
	}
	wake_throttled(u);
}

static int start_thread(struct uhmm *u)
{
	struct policy *p = &u->policy;
	int err = 0;

	sys_mutex_lock(&p->lock);
	if (!p->running) {
		err = sys_thread_start(&p->thread, policy_main, u, -1,
				       "uhmm-demote");
		p->running = !err;
	}
	sys_mutex_unlock(&p->lock);
	return err;
}

static void share_pool(struct uhmm *u, uint64_t limit)
{
	uint64_t share = limit / 32;

	if (limit && u->slots.limit > share)
		u->slots.limit = share;
}

int policy_init(struct uhmm *u, uint64_t limit)
{
	struct policy *p = &u->policy;

	p->queue_size = MAX_BLOCKS;
	p->queue = sys_alloc(p->queue_size * sizeof(*p->queue));
	if (!p->queue)
		return -ENOMEM;
	if (!limit)
		return 0;
	share_pool(u, limit >> MM_PAGE_SHIFT);
	atomic_store(&p->limit, limit >> MM_PAGE_SHIFT);
	return start_thread(u);
}

void policy_stop(struct uhmm *u)
{
	struct policy *p = &u->policy;

	if (!p->running)
		return;
	p->stop = true;
	policy_kick(u);
	sys_thread_join(&p->thread);
	p->running = false;
}

void policy_destroy(struct uhmm *u)
{
	sys_free(u->policy.queue,
		 u->policy.queue_size * sizeof(*u->policy.queue));
}

/* Ranges that were taken in while there was no limit are not counted yet. */
static int seed_all(struct uhmm *u)
{
	uintptr_t at = 0, s, e;
	int err = 0;

	while (!err && region_next(u, at, (uintptr_t)1 << VA_BITS, &s, &e)) {
		err = range_seed(u, s, e);
		at = e;
	}
	return err;
}

int do_set_limit(struct uhmm *u, uint64_t bytes)
{
	bool first = !atomic_load(&u->policy.limit) && bytes;
	int err;

	atomic_store(&u->policy.limit, bytes >> MM_PAGE_SHIFT);
	share_pool(u, bytes >> MM_PAGE_SHIFT);
	if (!bytes) {
		policy_kick(u); /* nobody has to wait any more */
		return 0;
	}
	err = start_thread(u);
	if (!err && first)
		err = seed_all(u);
	policy_kick(u);
	return err;
}
