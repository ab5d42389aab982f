/* SPDX-License-Identifier: MIT */
/*
 * group_api.c - the public calls about charge groups, and their bodies; see
 * uhmm/charge.h.
 */
#include <errno.h>

#include "core/charge/charge.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/kick.h"
#include "core/context/structs.h"
#include "core/device/device.h"
#include "core/limit/demote.h"
#include "core/limit/group_api.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/region.h"

/* ---- Bodies of the calls ----------------------------------------------- */

/* Begin to count, with the ranges that were taken in before. */
int charge_start(struct uhmm *u)
{
	int err = 0;

	if (atomic_exchange(&u->charge.on, true))
		return 0;
	region_for_each(u, 0, (uintptr_t)1 << VA_BITS, s, e) {
		err = range_seed(u, s, e);
		if (err)
			break;
	}
	if (err)
		atomic_store(&u->charge.on, false);
	return err;
}

int do_group_create(struct uhmm_group *parent, const char *name,
		    struct uhmm_group **ret)
{
	int err = charge_start(parent->u);

	return err ? err : group_add(parent, name, ret);
}

int do_group_limit(struct uhmm_group *g, unsigned tier, uint64_t bytes)
{
	int err = bytes ? charge_start(g->u) : 0;

	if (err)
		return err;
	if (!tier && !g->parent && g->u->policy.budget) {
		balance_total(g->u, bytes >> MM_PAGE_SHIFT);
		return 0;
	}
	atomic_store(&g->tier[tier].limit, bytes >> MM_PAGE_SHIFT);
	return tier ? 0 : policy_limit(g);
}

/* Create all blocks of [start, end).  Return: 0, or -ENOMEM. */
static int make_blocks(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	for (uintptr_t va = start; va < end; va += MM_BLOCK_SIZE)
		if (!block_get(u, va))
			return -ENOMEM;
	return 0;
}

int do_charge(struct uhmm *u, uintptr_t addr, size_t len, struct uhmm_group *g)
{
	uintptr_t start = addr & ~(MM_BLOCK_SIZE - 1), end = addr + len;
	int err = charge_start(u);

	if (!err)
		err = range_take_in(u, addr, end, true);
	if (!err)
		err = make_blocks(u, start, end);
	if (err)
		return err;
	group_take(g, start, end);
	policy_kick(u);
	return 0;
}

/* ---- Public ------------------------------------------------------------ */

struct uhmm_group *uhmm_group_root(struct uhmm *u)
{
	return u ? &u->charge.root : NULL;
}

static bool is_foreign_to_group(const struct uhmm_group *g,
				const struct uhmm_device *d)
{
	return d && d->u != g->u;
}

/*
 * Names are printed one a line, so only visible ASCII characters are allowed.
 */
static int check_name(const char *name)
{
	size_t len = 0;

	if (!name)
		return -EINVAL;
	for (; name[len] && len < UHMM_GROUP_NAME; len++)
		if (name[len] <= ' ' || name[len] > '~' || name[len] == '/')
			return -EINVAL;
	return len && len < UHMM_GROUP_NAME ? 0 : -EINVAL;
}

int uhmm_group_create(struct uhmm *u, struct uhmm_group *parent,
		      const char *name, struct uhmm_group **ret_group)
{
	char copy[UHMM_GROUP_NAME] = "";
	struct request req = { .op = REQ_GROUP_CREATE, .name = copy };
	int err = u && ret_group ? check_name(name) : -EINVAL;

	if (err || (parent && parent->u != u))
		return -EINVAL;
	memcpy(copy, name, strlen(name));
	req.group = parent ? parent : &u->charge.root;
	req.ret_group = ret_group;
	return (int)request_run(u, &req);
}

int uhmm_group_destroy(struct uhmm_group *g)
{
	struct request req = { .op = REQ_GROUP_DESTROY, .group = g };

	if (!g)
		return 0;
	return g->parent ? (int)request_run(g->u, &req) : -EINVAL;
}

int uhmm_group_set_limit(struct uhmm_group *g, struct uhmm_device *dev,
			 uint64_t bytes)
{
	struct request req = {
		.op = REQ_LIMIT, .group = g, .dev = dev, .cookie = bytes
	};

	if (!g || is_foreign_to_group(g, dev) || bytes % MM_PAGE_SIZE)
		return -EINVAL;
	return (int)request_run(g->u, &req);
}

int uhmm_charge(struct uhmm *u, void *addr, size_t len, struct uhmm_group *g)
{
	struct request req = { .op = REQ_CHARGE,
			       .addr = (uintptr_t)addr,
			       .len = len };
	int err = range_check(u, addr, len);

	if (err || (g && g->u != u))
		return -EINVAL;
	req.group = g ? g : &u->charge.root;
	return (int)request_run(u, &req);
}

int uhmm_group_query(struct uhmm_group *g, struct uhmm_device *dev,
		     struct uhmm_group_info *ret_info)
{
	struct request req = { .op = REQ_CHARGE_START };
	unsigned tier = dev ? dev->id : 0;
	struct uhmm_group_info i = { .size = 0 };
	int err;

	if (!g || !ret_info || is_foreign_to_group(g, dev))
		return -EINVAL;
	err = check_struct(ret_info, sizeof(i), ret_info->size);
	if (!err)
		err = (int)request_run(g->u, &req);
	if (err)
		return err;
	site_ask_again(g->u);
	i.size = ret_info->size;
	i.pages = charge_pages(g, tier);
	i.all_pages = charge_all(g);
	i.limit = (tier ? atomic_load(&g->tier[tier].limit) : charge_asked(g))
		  << MM_PAGE_SHIFT;
	i.exceeded = atomic_load(&g->tier[tier].exceeded);
	i.nr_children = g->nr_children;
	memcpy(i.name, g->name, sizeof(i.name));
	memcpy(ret_info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
