/* SPDX-License-Identifier: MIT */
/*
 * refuse.c - devices that do not take pages, though they have free ones.
 *
 * A move out notes how many pages the provider refused.  A device refuses when
 * it answered -ENOSPC for more pages than it took, or took nothing of many in a
 * row.  The demoter passes over such a device for a while; each time that the
 * device refuses again the pause doubles, up to a second.  The pause ends early
 * when device pages were freed since, because the device may have room again.
 *
 * Moves that were asked for are tried whatever is noted here.
 */
#include <errno.h>

#include "core/budget/budget.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "core/device/device.h"

#define ON_THE_WAY 512 /* pages */
#define PAUSE_MIN  (UINT64_C(10) * 1000 * 1000)
#define PAUSE_MAX  (UINT64_C(1000) * 1000 * 1000)
#define LASTING_NS (UINT64_C(20) * 1000 * 1000)
#define MAX_IN_ROW 64 /* pages refused, none taken: the device refuses */
#define FULL_NS	   (UINT64_C(1000) * 1000 * 1000)
#define FREED_MIN  64 /* freed device pages that end the pause */
#define HELD_SHARE 8  /* of the limit: less is not named as the cause */

static void begin_pause(struct refusal *r, uint64_t used)
{
	uint64_t pause = atomic_load(&r->pause) * 2;

	if (pause < PAUSE_MIN)
		pause = PAUSE_MIN;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	atomic_store(&r->pause, pause);
	atomic_store(&r->used, used);
	atomic_store(&r->until, sys_now_ns() + pause);
}

static void note_full(struct refusal *r, uint64_t used)
{
	atomic_store(&r->full_at, used);
	atomic_store(&r->full_until, sys_now_ns() + FULL_NS);
}

void device_answered(struct uhmm_device *dev, unsigned took, unsigned refused,
		     bool full)
{
	struct refusal *r = &dev->refusal;

	if (full)
		note_full(r, atomic_load(&dev->pagemap.nused));
	if (took)
		atomic_store(&r->in_row, 0);
	if (took && !(full && refused > took)) {
		atomic_store(&r->until, 0);
		atomic_store(&r->pause, 0);
		return;
	}
	if (!refused)
		return;
	if (full || atomic_fetch_add(&r->in_row, refused) >= MAX_IN_ROW)
		begin_pause(r, atomic_load(&dev->pagemap.nused));
}

/* Does the demoter pass over @dev for now? */
static bool refuses_now(const struct uhmm_device *dev)
{
	const struct refusal *r = &dev->refusal;
	uint64_t until = atomic_load(&r->until);

	return until &&
	       atomic_load(&dev->pagemap.nused) + FREED_MIN >
		       atomic_load(&r->used) &&
	       sys_now_ns() < until;
}

bool device_was_full(const struct uhmm_device *dev)
{
	const struct refusal *r = &dev->refusal;
	uint64_t until = atomic_load(&r->full_until);

	return until &&
	       atomic_load(&dev->pagemap.nused) + MM_BLOCK_PAGES >
		       atomic_load(&r->full_at) &&
	       sys_now_ns() < until;
}

bool device_takes(const struct uhmm_device *dev)
{
	return atomic_load(&dev->tier) && !dev->pagemap.closed &&
	       !device_is_lost(dev) && pagemap_room(&dev->pagemap) &&
	       !refuses_now(dev);
}

bool devices_take(struct uhmm *u)
{
	device_for_each(u, dev)
		if (device_takes(dev))
			return true;
	return false;
}

/* ---- The message that the limit is passed ---- */

/*
 * Has @u a device to which pages may be demoted?  *@ret_refuses: one that
 * refuses pages, or NULL.
 */
static bool has_tier(struct uhmm *u, struct uhmm_device **ret_refuses)
{
	bool any = false;

	*ret_refuses = NULL;
	device_for_each(u, dev) {
		if (!atomic_load(&dev->tier))
			continue;
		any = true;
		if (refuses_now(dev))
			*ret_refuses = dev;
	}
	return any;
}

static unsigned long long mib(uint64_t pages)
{
	return pages * MM_PAGE_SIZE >> 20;
}

/*
 * Is the limit passed for a while?  For a moment it is passed when the pages
 * that could be demoted are all being moved.
 */
static bool has_lasted(struct policy *p)
{
	uint64_t now = sys_now_ns();

	if (!p->passed_ns)
		p->passed_ns = now;
	return now - p->passed_ns >= LASTING_NS;
}

/* With a budget, a member may have less than its part for a while. */
static bool is_owed_more(const struct uhmm *u)
{
	return u->policy.budget && budget_is_poor(u->policy.budget);
}

/*
 * Tell the user if RAM held for pages on devices is why the limit is passed:
 * such devices store pages in RAM, and take as much as demotion frees (gain.c).
 */
static bool tell_held(struct uhmm *u, const struct uhmm_group *g)
{
	uint64_t limit = atomic_load(&g->tier[0].limit);

	if (g->parent || !(u->flags & UHMM_OPEN_LIMIT_ALL) ||
	    charge_total(u) <= limit ||
	    (!u->policy.poor && charge_held(u) < limit / HELD_SHARE) ||
	    is_owed_more(u) || !has_lasted(&u->policy))
		return false;
	sys_logf(&u->log, SYS_ERR,
		 "the limit of %llu MiB of RAM is passed: the program does not "
		 "fit, what is on devices takes %llu MiB of it; give more, or "
		 "a device that is not RAM",
		 mib(charge_asked(g)), mib(charge_held(u)));
	return true;
}

/*
 * With a budget, a member may be above its grant for a moment while all members
 * together are within the total.
 */
static bool is_within_budget(const struct uhmm *u, const struct uhmm_group *g)
{
	struct uhmm_budget *b = u->policy.budget;

	return b && !g->parent && !budget_is_passed(b, ON_THE_WAY);
}

void refusal_tell(struct uhmm *u, const struct uhmm_group *g)
{
	struct uhmm_device *dev;

	if (u->policy.told || is_within_budget(u, g) || !has_tier(u, &dev))
		return;
	if (devices_take(u)) {
		u->policy.told = tell_held(u, g);
		return;
	}
	u->policy.told = true;
	sys_logf(&u->log, SYS_ERR,
		 "the limit of %llu MiB of RAM is passed: %s%s",
		 mib(charge_asked(g)),
		 dev ? "no device takes more, last refused by " :
		       "all devices are full",
		 dev ? dev->name : "");
}
