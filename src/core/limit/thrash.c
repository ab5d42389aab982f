/* SPDX-License-Identifier: MIT */
/*
 * thrash.c - pages that are demoted and come home, again and again.
 *
 * A page comes home *too soon* if since its block was demoted fewer pages were
 * demoted than twice as many as may be in RAM: with three times the RAM the
 * page would not have left.  The demoter looks at windows, each of a quarter of
 * the limit in demoted pages.  If in several windows in a row most of the pages
 * came home too soon, the program thrashes.
 *
 * A clock is bad at that: a loop over a bit more than the limit finds none of
 * its pages.  So while the program thrashes a block that comes home is *held*
 * for a time slice, and the demoter's hand passes over it, until blocks of half
 * of the limit are held.  The program finds those, and the others take turns.
 *
 * If it goes on for long, and threads wait most of the time, the user is told
 * once, with the addresses.
 */
#include "core/limit/thrash.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/page/block.h"

#define SOON	      2	 /* times the limit */
#define TICK_SHIFT    24 /* 17 ms */
#define SLICE	      60 /* ticks: 1 s */
#define WINDOW_SHARE  4	 /* of the limit */
#define LEAST_WINDOW  64
#define IN_ROW	      3
#define WINDOW_NS     (UINT64_C(2) * 1000 * 1000 * 1000) /* at most */
#define LASTING_NS    (UINT64_C(5) * 1000 * 1000 * 1000)
#define HELD_SHARE    2 /* of the limit */
#define BLOCKED_SHARE 2 /* of the time */

static uint32_t hold_ticks(void)
{
	return (uint32_t)(sys_now_ns() >> TICK_SHIFT) | 1; /* never 0 */
}

static uint64_t evicted_now(const struct uhmm *u)
{
	return atomic_load_explicit(&u->count.evicted, memory_order_relaxed);
}

static bool is_held(const struct block *b, uint32_t now)
{
	uint32_t until =
		atomic_load_explicit(&b->held_until, memory_order_relaxed);

	return until && (int32_t)(until - now) > 0;
}

bool thrash_holds(const struct uhmm *u, const struct block *b)
{
	return atomic_load_explicit(&u->policy.thrash.active,
				    memory_order_relaxed) &&
	       is_held(b, hold_ticks());
}

/* ---- What happens ------------------------------------------------------ */

void thrash_evicted(struct uhmm *u, struct block *b)
{
	/* 0: never */
	atomic_store_explicit(&b->evicted_at, (uint32_t)evicted_now(u) | 1,
			      memory_order_relaxed);
}

static void hold_block(struct uhmm *u, struct block *b)
{
	uint64_t most = charge_limit(&u->charge.root) / HELD_SHARE;
	struct thrash *t = &u->policy.thrash;
	uint32_t now = hold_ticks();

	if (is_held(b, now) ||
	    (atomic_load(&t->nr_held) + 1) * (uint64_t)MM_BLOCK_PAGES > most)
		return;
	atomic_fetch_add(&t->nr_held, 1);
	atomic_store_explicit(&b->held_until, (now + SLICE) | 1,
			      memory_order_relaxed);
}

void thrash_refault(struct uhmm *u, struct block *b, unsigned n)
{
	uint32_t at =
		atomic_load_explicit(&b->evicted_at, memory_order_relaxed);
	uint32_t distance = (uint32_t)evicted_now(u) - at;

	if (!at || distance >= charge_limit(&u->charge.root) * SOON)
		return;
	atomic_fetch_add_explicit(&u->policy.thrash.refaults, n,
				  memory_order_relaxed);
	if (b->refaults <= UINT16_MAX - n)
		b->refaults = (uint16_t)(b->refaults + n);
	if (atomic_load_explicit(&u->policy.thrash.active,
				 memory_order_relaxed))
		hold_block(u, b);
}

/* ---- What is told ------------------------------------------------------ */

/* A hint: read without the blocks' locks. */
static uint16_t refaults_of(const struct block *b)
{
	return b ? __atomic_load_n(&b->refaults, __ATOMIC_RELAXED) : 0;
}

/* The blocks around @b with half as many refaults at least. */
static void find_range(struct uhmm *u, const struct block *b)
{
	uintptr_t start = b->va, end = b->va + MM_BLOCK_SIZE;
	unsigned least = refaults_of(b) / 2;

	while (refaults_of(block_find(u, start - 1)) > least)
		start -= MM_BLOCK_SIZE;
	while (refaults_of(block_find(u, end)) > least)
		end += MM_BLOCK_SIZE;
	atomic_store(&u->policy.thrash.addr, start);
	atomic_store(&u->policy.thrash.len, end - start);
}

static const struct block *worst_block(struct uhmm *u)
{
	const struct block *worst = NULL;

	block_for_each(u, b)
		if (refaults_of(b) > refaults_of(worst))
			worst = b;
	return worst;
}

static void tell_thrash(struct uhmm *u, uint64_t now)
{
	struct thrash *t = &u->policy.thrash;
	uint64_t blocked = atomic_load(&u->count.blocked_ns) - t->blocked;
	const struct block *worst;

	if (t->told || now - t->since < LASTING_NS ||
	    blocked < (now - t->since) / BLOCKED_SHARE)
		return;
	worst = worst_block(u);
	if (!worst)
		return;
	t->told = true;
	find_range(u, worst);
	sys_logf(&u->log, SYS_ERR,
		 "the limit of %llu MiB of RAM is too small for what the "
		 "program uses again and again: pages come home as soon as "
		 "they have left, most of them in %#llx-%#llx",
		 (unsigned long long)(charge_asked(&u->charge.root) *
					      MM_PAGE_SIZE >>
				      20),
		 (unsigned long long)t->addr,
		 (unsigned long long)(t->addr + t->len));
}

/* ---- Windows ----------------------------------------------------------- */

static void count_held(struct uhmm *u)
{
	uint32_t now = hold_ticks(), n = 0;

	block_for_each(u, b)
		n += is_held(b, now);
	atomic_store(&u->policy.thrash.nr_held, n);
}

static void begin_window(struct uhmm *u, uint64_t now)
{
	struct thrash *t = &u->policy.thrash;

	t->refaulted = atomic_load(&t->refaults);
	t->evicted = evicted_now(u);
	t->began = now;
}

static void end_thrash(struct thrash *t)
{
	t->in_row = 0;
	atomic_store(&t->active, false);
}

/* A window is over in which @evicted pages left, and @refaults came back. */
static void judge_window(struct uhmm *u, uint64_t evicted, uint64_t refaults,
			 uint64_t now)
{
	struct thrash *t = &u->policy.thrash;

	if (refaults * 2 < evicted || now - t->began > WINDOW_NS) {
		end_thrash(t);
		return;
	}
	if (!t->in_row++) {
		t->since = t->began;
		t->blocked = atomic_load(&u->count.blocked_ns);
	}
	if (t->in_row < IN_ROW)
		return;
	count_held(u);
	atomic_store(&t->active, true);
	tell_thrash(u, now);
}

void thrash_look(struct uhmm *u)
{
	struct thrash *t = &u->policy.thrash;
	uint64_t window = charge_limit(&u->charge.root) / WINDOW_SHARE, now;
	uint64_t evicted = evicted_now(u) - t->evicted;

	if (evicted < (window > LEAST_WINDOW ? window : LEAST_WINDOW))
		return;
	now = sys_now_ns();
	judge_window(u, evicted, atomic_load(&t->refaults) - t->refaulted, now);
	begin_window(u, now);
}
