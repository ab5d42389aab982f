/* SPDX-License-Identifier: MIT */
/*
 * held.c - RAM that managed memory takes beside its pages.
 *
 * Devices may store pages in RAM, compressed for example, and the library has
 * tables.  With UHMM_OPEN_LIMIT_ALL the limit of the root is for that RAM too,
 * and pages in RAM may have the rest.  So each page that leaves lowers the
 * limit for the others by the RAM that the device takes to store it, until
 * pages and held RAM together are at the limit.
 *
 * With UHMM_OPEN_LIMIT_PROCESS, memory that is not managed is held, too
 * (limit/unmanaged.c).
 *
 * A few pages are left to the program however much is held, so that the program
 * goes on; the limit is passed then.
 */
#include "core/budget/budget.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"

#define LEAST_SHARE 8 /* of the limit, for pages */
#define MIN_MARGIN  64
#define COPY_SHARE  32 /* of the limit, for copies of pages in RAM */
#define STORE_SHARE 2  /* of the limit, for one device that stores in RAM */

static bool is_for_all(const struct uhmm_group *g)
{
	const struct uhmm *u = g->u;

	return g == &u->charge.root && u->flags & UHMM_OPEN_LIMIT_ALL &&
	       !u->charge.keep;
}

static uint64_t group_limit_of(const struct uhmm_group *g)
{
	return atomic_load_explicit(&g->tier[0].limit, memory_order_relaxed);
}

uint64_t charge_asked(const struct uhmm_group *g)
{
	const struct uhmm_budget *b = g->u->policy.budget;

	return b && !g->parent ? budget_total(b) : group_limit_of(g);
}

static uint64_t slab_bytes(const struct slab *s)
{
	return atomic_load_explicit(&s->bytes, memory_order_relaxed);
}

uint64_t charge_held(const struct uhmm *u)
{
	int64_t devices =
		atomic_load_explicit(&u->device_ram, memory_order_relaxed);
	uint64_t bytes = slab_bytes(&u->block_slab) +
			 slab_bytes(&u->table_slab) +
			 slab_bytes(&u->regions.slab) + twin_bytes(u);

	if (devices > 0)
		bytes += (uint64_t)devices;
	return ((bytes + MM_PAGE_SIZE - 1) >> MM_PAGE_SHIFT) +
	       atomic_load_explicit(&u->policy.unmanaged.counts,
				    memory_order_relaxed);
}

uint64_t charge_total(const struct uhmm *u)
{
	return charge_pages(&u->charge.root, 0) + charge_held(u);
}

static uint64_t least(uint64_t limit)
{
	return limit / LEAST_SHARE + 1;
}

uint64_t charge_limit(const struct uhmm_group *g)
{
	uint64_t limit = group_limit_of(g), held;

	if (!limit || !is_for_all(g))
		return limit;
	held = charge_held(g->u);
	return held + least(limit) < limit ? limit - held : least(limit);
}

bool charge_is_passed(const struct uhmm_group *g)
{
	uint64_t limit = group_limit_of(g);

	return limit && is_for_all(g) &&
	       charge_held(g->u) + least(limit) >= limit &&
	       charge_total(g->u) > limit;
}

/* Assumes that each device page costs the average of all pages on @dev. */
bool charge_affords_copy(const struct uhmm_device *dev)
{
	const struct uhmm_group *root = &dev->u->charge.root;
	uint64_t ram = atomic_load(&dev->ram);
	uint64_t used = atomic_load(&dev->pagemap.nused);
	int64_t away = atomic_load(&dev->u->on_device);
	uint64_t copies = used > (uint64_t)away ? used - (uint64_t)away : 0;

	if (!ram || !used || !is_for_all(root))
		return true;
	return copies * (ram / used) <
	       group_limit_of(root) * MM_PAGE_SIZE / COPY_SHARE;
}

bool charge_affords_store(const struct uhmm_device *dev)
{
	const struct uhmm_group *root = &dev->u->charge.root;

	return !is_for_all(root) ||
	       atomic_load(&dev->ram) <
		       group_limit_of(root) * MM_PAGE_SIZE / STORE_SHARE;
}

/* The demoter starts at so many pages below @limit, and frees twice as many. */
static uint64_t margin(uint64_t limit)
{
	uint64_t m = limit / 32;

	if (m < MIN_MARGIN)
		m = MIN_MARGIN;
	return m < limit / 4 ? m : limit / 4;
}

bool charge_above(const struct uhmm_group *g, unsigned margins)
{
	uint64_t limit = charge_limit(g);

	return limit && !g->u->charge.keep &&
	       charge_pages(g, 0) + margins * margin(limit) > limit;
}

void charge_share_pool(struct uhmm *u)
{
	uint64_t limit = charge_limit(&u->charge.root);
	uint64_t share = limit ? limit / 32 : u->slots.most;

	atomic_store(&u->slots.limit,
		     share < u->slots.most ? share : u->slots.most);
}
