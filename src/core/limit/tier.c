/* SPDX-License-Identifier: MIT */
/*
 * tier.c - which device a demoted page goes to: devices are tiers, in the order
 * in which they were added.
 *
 * The first device with room takes the pages.  A full device first gives pages
 * to the next one below with room: pages that are on a device were not touched
 * since they left RAM, so they are colder than pages that leave RAM now.  A
 * second hand goes round the blocks for that, and *sinks* all pages of a block
 * that are on the full device.  If that does not make enough room at once, the
 * pages go to the device below.  A page that is touched comes straight to RAM,
 * from any tier.
 *
 * A device is full when it has no free device page, when a limit is reached, or
 * when it refused pages.  If the limit is for all RAM, a device that stores
 * pages in RAM is also full when it takes more than its share of the limit, for
 * as long as a device below has room.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/limit/demote.h"
#include "core/move/fits.h"
#include "core/move/peer_copy.h"
#include "core/page/block.h"
#include "core/page/page.h"

#define SINK_PAGES  128 /* moved at once: a fault on one of them waits */
#define SINK_BLOCKS 2 /* for one block that leaves RAM: forks and faults wait */
#define PAUSE_NS    (100 * 1000 * 1000) /* after no page could sink */

static bool may_store(struct uhmm *u, const struct block *b,
		      const struct uhmm_device *dev)
{
	return device_takes(dev) && charge_has_room(u, b, dev);
}

/* The next device below @dev that takes pages of @b now, or NULL. */
static struct uhmm_device *device_below(struct uhmm *u, const struct block *b,
					const struct uhmm_device *dev)
{
	struct uhmm_device *at;

	for (at = device_after(u, dev->id); at; at = device_after(u, at->id))
		if (may_store(u, b, at) && charge_affords_store(at))
			return at;
	return NULL;
}

static bool has_room(struct uhmm *u, const struct block *b,
		     const struct uhmm_device *dev)
{
	return may_store(u, b, dev) &&
	       ((charge_affords_store(dev) && !device_was_full(dev)) ||
		!device_below(u, b, dev));
}

struct uhmm_device *tier_with_room(struct uhmm *u, const struct block *b)
{
	device_for_each(u, dev)
		if (has_room(u, b, dev) && gain_expected(b, dev))
			return dev;
	return NULL;
}

/* ---- Sinking ---------------------------------------------------------- */

/* Pages of @b on @dev, at most SINK_PAGES. */
static unsigned sinkable(struct uhmm *u, struct block *b,
			 const struct uhmm_device *dev, struct mm_set *ret)
{
	unsigned n = 0;

	set_clear(ret);
	block_lock(b);
	for (unsigned i = 0; b->nr[P_DEVICE] && i < MM_BLOCK_PAGES; i++) {
		uint64_t w = block_word(b, i);

		if (n == SINK_PAGES)
			break;
		if (page_state(w) != P_DEVICE || page_dev(w) != dev->id)
			continue;
		set_add(ret, i);
		n++;
	}
	block_unlock(u, b);
	return n;
}

static bool may_sink(const struct uhmm_device *dev)
{
	return !device_is_site(dev) && !device_is_mapped(dev);
}

/* Return: whether a page of @b went from @dev to a device below. */
static bool sink_some(struct uhmm *u, struct block *b, struct uhmm_device *dev)
{
	struct uhmm_device *to = device_below(u, b, dev);
	uint64_t used = atomic_load(&dev->pagemap.nused), left;
	struct mm_set set;
	unsigned n;
	int err;

	if (!to || !may_sink(to))
		return false;
	n = sinkable(u, b, dev, &set);
	if (!n)
		return false;
	err = peer_block(u, b, &set, to);
	if (err == -ENOSPC) /* another error may be that of @dev */
		device_answered(to, 0, n, true);
	left = atomic_load(&dev->pagemap.nused);
	if (left < used) /* touched pages may have left, too */
		count_add(&u->count.sunk, used - left < n ? used - left : n);
	return !err && left < used;
}

static bool sink_block(struct uhmm *u, struct block *b, struct uhmm_device *dev)
{
	bool any = false;

	if (atomic_load_explicit(&b->accessed, memory_order_relaxed) ||
	    !block_try_mover(b))
		return false;
	while (sink_some(u, b, dev))
		any = true;
	block_let_go(u, b);
	return any;
}

/*
 * Make room on @dev for pages of @b.  If a limit of a group is reached, pages
 * of that group have to go.
 */
static bool sink(struct uhmm *u, const struct block *b, struct uhmm_device *dev)
{
	const struct uhmm_group *g = charge_full(u, b, dev);
	uint32_t nr = atomic_load_explicit(&u->nr_blocks, memory_order_acquire);
	struct policy *p = &u->policy;
	unsigned sunk = 0;

	if (sys_now_ns() < p->sink_after)
		return false;
	for (uint32_t k = 0; k < nr && sunk < SINK_BLOCKS; k++) {
		struct block *at = u->blocks[p->sink_hand++ % nr];

		if (g && !charge_covers(g, at))
			continue;
		sunk += sink_block(u, at, dev);
		if (sunk && has_room(u, b, dev))
			return true;
	}
	if (!sunk)
		p->sink_after = sys_now_ns() + PAUSE_NS;
	return false;
}

/* Is @dev a tier with pages, which only lacks room? */
static bool can_sink(const struct uhmm_device *dev)
{
	return atomic_load(&dev->tier) && !dev->pagemap.closed &&
	       !device_is_lost(dev) && may_sink(dev) &&
	       atomic_load(&dev->pagemap.nused);
}

struct uhmm_device *tier_make_room(struct uhmm *u, const struct block *b)
{
	device_for_each(u, dev) {
		if (!gain_expected(b, dev))
			continue;
		if (has_room(u, b, dev) ||
		    (can_sink(dev) && device_below(u, b, dev) &&
		     sink(u, b, dev)))
			return dev;
	}
	return NULL;
}
