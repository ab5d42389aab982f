/* SPDX-License-Identifier: MIT */
/*
 * cold.c - which pages in RAM are cold: see cold.h.
 *
 * The ideas are known ones: two lists of which one resists scans (2Q, Johnson
 * and Shasha 1994), shares that follow where pages are hit (ARC, Megiddo and
 * Modha 2003), a page earns its place by how soon it was used again (LIRS,
 * Jiang and Zhang 2002), and generations in place of an order of pages.
 */
#include <errno.h>

#include "cold.h"

#define UNITS	   16u	/* of the clock, in which as many are seen as in RAM */
#define STAMPS	   255u /* 0 is none */
#define MOST_UNITS 200u /* until a stamp could be taken for a newer one */
#define SHARES	   1024u
#define LEAST	   64u /* 1/SHARES: share of a list */
#define STEP	   64u /* 1/SHARES: by which the share changes */
#define PERIODS	   16u /* of change, in which as many come as in RAM */
#define MAX_LAPS   12  /* until the block that devices use most is cold */
#define FEWEST	   16u /* pages that leave in one step */
#define MOST	   512u
#define BLOCK_BITS 24

static uint32_t read_now(struct cold *c)
{
	return atomic_load_explicit(&c->now, memory_order_relaxed);
}

static uint8_t stamp_of(uint32_t unit)
{
	return (uint8_t)(unit % STAMPS + 1);
}

/* Units since @stamp. */
static uint32_t age_of(struct cold *c, uint8_t stamp)
{
	return (read_now(c) % STAMPS + STAMPS - (stamp - 1u)) % STAMPS;
}

void cold_init(struct cold *c, struct cold_queue *queue)
{
	c->queue = queue;
	c->share = SHARES - LEAST;
}

/* ---- Pages that are seen ------------------------------------------------ */

/* Should a page with @stamp that is seen again be used? */
static bool earns_place(struct cold *c, uint8_t stamp, unsigned margin)
{
	if (atomic_load_explicit(&c->used, memory_order_relaxed) <
	    atomic_load_explicit(&c->most_used, memory_order_relaxed))
		return true;
	return age_of(c, stamp) + margin <
	       atomic_load_explicit(&c->oldest, memory_order_relaxed);
}

static void make_used(struct cold_pages *p, struct cold_sum *s, unsigned i)
{
	set_add(&p->used, i);
	s->used++;
}

void cold_came(struct cold *c, struct cold_pages *p, struct cold_sum *s,
	       unsigned i, bool was_away)
{
	bool is_back = was_away && p->stamp[i];

	if (is_back && earns_place(c, p->stamp[i], 1))
		make_used(p, s, i);
	s->back = (uint16_t)(s->back + is_back);
	s->came++;
	cold_restamp(c, p, i);
}

void cold_touched(struct cold *c, struct cold_pages *p, struct cold_sum *s,
		  unsigned i)
{
	bool used = set_has(&p->used, i);

	s->touched[used]++;
	if (!used && earns_place(c, p->stamp[i], 0))
		make_used(p, s, i);
	cold_restamp(c, p, i);
}

void cold_left(struct cold_pages *p, struct cold_sum *s, unsigned i,
	       bool is_away)
{
	if (set_has(&p->used, i)) {
		set_del(&p->used, i);
		s->used--;
	}
	if (!is_away)
		p->stamp[i] = 0;
}

void cold_count_parked(const struct cold_pages *p, struct cold_sum *s,
		       unsigned i, int by)
{
	int16_t *n = &s->parked[set_has(&p->used, i)];

	*n = (int16_t)(*n + by);
}

void cold_restamp(struct cold *c, struct cold_pages *p, unsigned i)
{
	p->stamp[i] = stamp_of(read_now(c));
}

/* Of the threads that see the end of a unit, one begins the next. */
static void advance_clock(struct cold *c, uint32_t seen, uint64_t ram)
{
	uint32_t span = (uint32_t)(ram / UNITS) + 1;
	uint32_t was = atomic_fetch_add_explicit(&c->ticks, seen,
						 memory_order_relaxed);

	if (was + seen < span)
		return;
	if (atomic_exchange_explicit(&c->ticks, 0, memory_order_relaxed))
		atomic_fetch_add_explicit(&c->now, 1, memory_order_relaxed);
}

static void add_to(_Atomic int64_t *sum, int16_t n)
{
	if (n)
		atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

static void add_count(_Atomic uint64_t *sum, uint16_t n)
{
	if (n)
		atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

void cold_flush(struct cold *c, struct cold_sum *s, uint64_t ram)
{
	uint32_t seen = s->came;

	add_to(&c->used, s->used);
	for (int k = 0; k < COLD_LISTS; k++) {
		add_to(&c->parked[k], s->parked[k]);
		add_count(&c->touched[k], s->touched[k]);
		seen += s->touched[k];
	}
	add_count(&c->came, s->came);
	add_count(&c->back, s->back);
	if (seen)
		advance_clock(c, seen, ram);
	*s = (struct cold_sum){ .used = 0 };
}

void cold_select(const struct cold_pages *p, enum cold_list list, uint8_t stamp,
		 struct mm_set *ret)
{
	set_clear(ret);
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (p->stamp[i] == stamp && set_has(&p->used, i) == list)
			set_add(ret, i);
}

/* ---- The queues of parked pages ----------------------------------------- */

/* A block, the stamp of its pages, and the unit in which they were parked. */
static uint64_t make_entry(uint32_t block, uint8_t stamp, uint32_t unit)
{
	return block | (uint64_t)stamp << BLOCK_BITS | (uint64_t)unit << 32;
}

static uint32_t entry_block(uint64_t e)
{
	return (uint32_t)e & ((1u << BLOCK_BITS) - 1);
}

static uint8_t entry_stamp(uint64_t e)
{
	return (uint8_t)(e >> BLOCK_BITS);
}

static void push_entry(struct cold_queue *q, uint64_t e)
{
	q->entry[(q->head + q->len++) % COLD_QUEUE] = e;
}

static uint64_t pop_entry(struct cold_queue *q)
{
	uint64_t e = q->entry[q->head];

	q->head = (q->head + 1) % COLD_QUEUE;
	q->len--;
	return e;
}

/* ---- The demoter -------------------------------------------------------- */

struct step {
	struct cold *c;
	struct cold_hand *hand;
	const struct cold_ops *ops;
	void *priv;
	uint64_t ram;
	int freed;
};

static uint64_t nr_pages(const struct step *s, enum cold_list list)
{
	int64_t used = atomic_load(&s->c->used);
	uint64_t n = used < 0 ? 0 : (uint64_t)used;

	n = n < s->ram ? n : s->ram;
	return list == COLD_USED ? n : s->ram - n;
}

static uint64_t since(_Atomic uint64_t *sum, uint64_t *last)
{
	uint64_t now = atomic_load_explicit(sum, memory_order_relaxed);
	uint64_t n = now - *last;

	*last = now;
	return n;
}

/* Touches of @list for each page that is parked, times SHARES. */
static uint64_t touch_rate(struct cold *c, enum cold_list list, uint64_t n)
{
	int64_t parked = atomic_load(&c->parked[list]);

	return parked > 0 ? n * SHARES / (uint64_t)parked : 0;
}

/* See "Two lists" in cold.h. */
static void adjust_share(struct step *s)
{
	struct cold *c = s->c;
	uint64_t n[COLD_LISTS], back;
	bool grows;

	if (atomic_load(&c->came) - c->last_came < s->ram / PERIODS)
		return;
	c->last_came = atomic_load(&c->came);
	back = since(&c->back, &c->last_back);
	for (int k = 0; k < COLD_LISTS; k++)
		n[k] = since(&c->touched[k], &c->last_touched[k]);
	if (!back && n[COLD_NEW] + n[COLD_USED] == 0)
		return;
	grows = touch_rate(c, COLD_NEW, n[COLD_NEW]) >
		touch_rate(c, COLD_USED, n[COLD_USED]);
	if (n[COLD_NEW] < s->ram / 256 && back > s->ram / 16)
		grows = false;
	if (grows && c->share + STEP <= SHARES - LEAST)
		c->share += STEP;
	else if (!grows && c->share >= LEAST + STEP)
		c->share -= STEP;
}

/* Tell the faults which pages are to be used. */
static void publish(struct step *s)
{
	struct cold *c = s->c;
	struct cold_queue *q = &c->queue[COLD_USED];
	uint32_t oldest = 0;

	while (q->len) {
		uint64_t e = q->entry[q->head];

		if (s->ops->left(s->priv, entry_block(e), COLD_USED,
				 entry_stamp(e))) {
			oldest = read_now(c) - (uint32_t)(e >> 32);
			break;
		}
		pop_entry(q);
	}
	atomic_store_explicit(&c->oldest, oldest, memory_order_relaxed);
	atomic_store_explicit(&c->most_used,
			      (int64_t)(s->ram * (SHARES - c->share) / SHARES),
			      memory_order_relaxed);
}

/* Park pages with @unit's stamp in the next block that has any. */
static unsigned park_lap(struct step *s, enum cold_list list, uint32_t unit,
			 bool *ret_again)
{
	uint32_t nr = s->ops->nr_blocks(s->priv);
	struct cold_queue *q = &s->c->queue[list];

	for (uint32_t k = 0; k < nr; k++) {
		uint32_t block = s->hand->block++ % nr;
		unsigned n;
		int freed = 0;

		if (!s->ops->covers(s->priv, block))
			continue;
		n = s->ops->park(s->priv, block, list, stamp_of(unit), &freed);
		if (freed < 0)
			*ret_again = true;
		else
			s->freed += freed;
		if (n)
			push_entry(q, make_entry(block, stamp_of(unit),
						 read_now(s->c)));
		if (n || freed > 0)
			return n + 1;
	}
	return 0;
}

/* Park the pages of @list that were not seen for longest: of one block. */
static bool park_some(struct step *s, enum cold_list list)
{
	uint32_t *next = &s->hand->next[list], now = read_now(s->c);
	int laps = 0;

	if (s->c->queue[list].len == COLD_QUEUE)
		return false;
	if (now - *next > MOST_UNITS)
		*next = now - MOST_UNITS;
	for (;;) {
		bool again = false;

		if (park_lap(s, list, *next, &again))
			return true;
		if (*next != now)
			++*next;
		else if (!again || ++laps == MAX_LAPS)
			return false;
	}
}

/* As many as make little difference. */
static unsigned batch(const struct step *s)
{
	uint64_t n = s->ram / 64;

	return n < FEWEST ? FEWEST : n > MOST ? MOST : (unsigned)n;
}

/*
 * Let the oldest parked pages of @list leave.  An entry that is another
 * group's, or that no device takes, goes to the end of the queue.
 */
static unsigned evict_some(struct step *s, enum cold_list list)
{
	struct cold_queue *q = &s->c->queue[list];

	for (uint32_t k = q->len; k; k--) {
		uint64_t e = q->entry[q->head];
		uint32_t block = entry_block(e);
		unsigned n = 0;

		if (s->ops->covers(s->priv, block))
			n = s->ops->evict(s->priv, block, list, entry_stamp(e),
					  batch(s));
		if (n >= batch(s))
			return n;
		pop_entry(q);
		if (s->ops->left(s->priv, block, list, entry_stamp(e)))
			push_entry(q, e);
		if (n)
			return n;
	}
	return 0;
}

/*
 * How many pages of @list are to be parked: a longer look at new pages, of
 * which most go, than at used ones, for which a touch is a soft fault.
 */
static bool is_parked_enough(struct step *s, enum cold_list list)
{
	uint64_t want = nr_pages(s, list) / (list == COLD_NEW ? 2 : 8);
	int64_t parked = atomic_load(&s->c->parked[list]);

	return parked > 0 && (uint64_t)parked >= want;
}

static unsigned take_from(struct step *s, enum cold_list list)
{
	if (!is_parked_enough(s, list) && park_some(s, list))
		return 1;
	s->freed += (int)evict_some(s, list);
	return s->freed ? 1 : park_some(s, list);
}

int cold_step(struct cold *c, struct cold_hand *hand,
	      const struct cold_ops *ops, void *priv, uint64_t ram)
{
	struct step s = {
		.c = c, .hand = hand, .ops = ops, .priv = priv, .ram = ram
	};
	enum cold_list list;
	unsigned n;

	adjust_share(&s);
	publish(&s);
	list = nr_pages(&s, COLD_NEW) * SHARES >= ram * c->share ? COLD_NEW :
								   COLD_USED;
	if (list == COLD_NEW && !is_parked_enough(&s, COLD_USED))
		park_some(&s, COLD_USED);
	n = take_from(&s, list);
	if (!n)
		n = take_from(&s, list == COLD_NEW ? COLD_USED : COLD_NEW);
	return s.freed ? s.freed : n ? -EAGAIN : 0;
}
