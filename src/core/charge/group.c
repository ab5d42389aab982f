/* SPDX-License-Identifier: MIT */
/* group.c - the tree of charge groups, and which group a block belongs to. */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/kept.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* ---- Life ------------------------------------------------------------- */

void charge_init(struct uhmm *u, bool keep)
{
	struct charge *c = &u->charge;

	u->pay = charge_flush;
	c->keep = keep;
	c->root.u = u;
	c->root.name[0] = '/';
	atomic_store(&c->group[0], &c->root);
	atomic_store(&c->end, 1);
}

void charge_destroy(struct uhmm *u)
{
	struct charge *c = &u->charge;
	struct uhmm_group *g;

	for (uint32_t n = 1; n < atomic_load(&c->end); n++) {
		g = charge_nth(u, n);
		if (g)
			sys_free(g, sizeof(*g));
	}
	while ((g = c->free)) {
		c->free = g->next;
		sys_free(g, sizeof(*g));
	}
}

/* ---- The tree --------------------------------------------------------- */

/*
 * No page is booked on @g.  Pages that were on their way when @g was destroyed
 * may still be booked.
 */
static bool is_group_empty(const struct uhmm_group *g)
{
	for (unsigned i = 0; i < NR_TIERS; i++)
		if (atomic_load(&g->tier[i].pages))
			return false;
	return !atomic_load(&g->away);
}

/*
 * Clear @g for reuse.  A thread that looked @g up earlier may still read it, so
 * @g keeps a parent.
 */
static void clear_group(struct uhmm_group *g)
{
	for (unsigned i = 0; i < NR_TIERS; i++) {
		atomic_store(&g->tier[i].limit, 0);
		atomic_store(&g->tier[i].exceeded, 0);
	}
	memset(g->name, 0, sizeof(g->name));
}

/* A destroyed group that can be reused, or NULL.  Caller holds charge.lock. */
static struct uhmm_group *reuse(struct charge *c)
{
	for (struct uhmm_group **p = &c->free; *p; p = &(*p)->next) {
		struct uhmm_group *g = *p;

		if (!is_group_empty(g))
			continue;
		*p = g->next;
		clear_group(g);
		return g;
	}
	return NULL;
}

/* Caller holds charge.lock. */
static int get_group(struct uhmm *u, struct uhmm_group **ret)
{
	struct charge *c = &u->charge;
	uint32_t id = atomic_load(&c->end);

	*ret = reuse(c);
	if (*ret)
		return 0;
	if (id == MAX_GROUPS)
		return -ENOSPC;
	*ret = sys_alloc(sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->id = id;
	atomic_store(&c->end, id + 1);
	return 0;
}

int group_add(struct uhmm_group *parent, const char *name,
	      struct uhmm_group **ret)
{
	struct uhmm *u = parent->u;
	int err;

	sys_mutex_lock(&u->charge.lock);
	err = get_group(u, ret);
	if (!err) {
		(*ret)->u = u;
		(*ret)->parent = parent;
		strncpy((*ret)->name, name, UHMM_GROUP_NAME - 1);
		parent->nr_children++;
		atomic_store_explicit(&u->charge.group[(*ret)->id], *ret,
				      memory_order_release);
	}
	sys_mutex_unlock(&u->charge.lock);
	return err;
}

/* ---- Blocks change their group ---------------------------------------- */

static bool is_group_within(const struct uhmm_group *g,
			    const struct uhmm_group *top)
{
	while (g && g != top)
		g = g->parent;
	return g;
}

/* Count the pages of @b by tier; *@ret_away: pages on all devices. */
static void count_block(const struct block *b, int *ret, int *ret_away)
{
	memset(ret, 0, NR_TIERS * sizeof(*ret));
	*ret_away = 0;
	for (unsigned i = 0; b->table && i < MM_BLOCK_PAGES; i++) {
		uint64_t w = b->table[i];

		ret[0] += page_in_ram(w);
		if (block_is_away(b, w)) {
			ret[page_dev(w)]++;
			++*ret_away;
		}
	}
}

/*
 * Add @by times the counts to @g and the groups above, without groups that are
 * also above @but.
 */
static void add_block(struct uhmm_group *g, const struct uhmm_group *but,
		      const int *count, int away, int by)
{
	for (; g->parent && !is_group_within(but, g); g = g->parent) {
		for (unsigned i = 0; i < NR_TIERS; i++)
			if (count[i])
				atomic_fetch_add(&g->tier[i].pages,
						 count[i] * by);
		atomic_fetch_add(&g->away, away * by);
	}
}

static void count_passed(struct uhmm_group *g, const struct uhmm_group *but,
			 int pages)
{
	for (; g->parent && g->u->charge.keep && !is_group_within(but, g);
	     g = g->parent)
		charge_note(g, pages);
}

void charge_limit_kept(struct uhmm *u, struct block *b)
{
	if (!b->nr_kept || !charge_is_limited(u, b, 0))
		return;
	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (page_state(block_word(b, i)) == P_DEVICE)
			kept_forget(u, b, i);
}

/* Caller holds charge.lock. */
static void recharge_block(struct uhmm *u, struct block *b,
			   struct uhmm_group *to)
{
	struct uhmm_group *from;
	int count[NR_TIERS], away;

	block_lock(b);
	from = charge_of(u, b);
	if (from != to) {
		count_block(b, count, &away);
		add_block(from, to, count, away, -1);
		atomic_store(&b->group, (uint16_t)to->id);
		add_block(to, from, count, away, 1);
		count_passed(to, from, count[0] + away);
		charge_limit_kept(u, b);
	}
	block_unlock(u, b);
}

int group_remove(struct uhmm_group *g)
{
	struct uhmm *u = g->u;
	struct charge *c = &u->charge;
	int err = 0;

	sys_mutex_lock(&c->lock);
	if (g->nr_children || charge_all(g))
		err = -EBUSY;
	if (!err) {
		block_for_each(u, b)
			if (atomic_load(&b->group) == g->id)
				recharge_block(u, b, g->parent);
		atomic_store(&c->group[g->id], NULL);
		g->parent->nr_children--;
		g->next = c->free;
		c->free = g;
	}
	sys_mutex_unlock(&c->lock);
	return err;
}

void group_take(struct uhmm_group *g, uintptr_t start, uintptr_t end)
{
	struct uhmm *u = g->u;

	sys_mutex_lock(&u->charge.lock);
	for (uintptr_t va = start; va < end; va += MM_BLOCK_SIZE)
		recharge_block(u, block_find(u, va), g);
	sys_mutex_unlock(&u->charge.lock);
}

static bool is_managed_page(struct uhmm *u, uintptr_t va)
{
	uintptr_t s, e;

	return region_next(u, va, va + MM_BLOCK_SIZE, &s, &e);
}

void charge_forget(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	uintptr_t va = start & ~(MM_BLOCK_SIZE - 1);

	if (!atomic_load(&u->charge.on) || atomic_load(&u->charge.end) == 1)
		return;
	sys_mutex_lock(&u->charge.lock);
	for (; block_next(u, &va, end); va += MM_BLOCK_SIZE) {
		struct block *b = block_find(u, va);

		if (atomic_load(&b->group) && !is_managed_page(u, va))
			recharge_block(u, b, &u->charge.root);
	}
	sys_mutex_unlock(&u->charge.lock);
}

void charge_follow(struct uhmm *u, uintptr_t from, uintptr_t to)
{
	uintptr_t va = to & ~(MM_BLOCK_SIZE - 1);
	struct block *a = block_find(u, from), *b;

	if (!a || !atomic_load(&a->group) || is_managed_page(u, va))
		return;
	b = block_get(u, to);
	sys_mutex_lock(&u->charge.lock);
	if (b && !atomic_load(&b->group))
		recharge_block(u, b, charge_of(u, a));
	sys_mutex_unlock(&u->charge.lock);
}
