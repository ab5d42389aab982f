/* SPDX-License-Identifier: MIT */
/* group_api.c - the public calls about charge groups; see uhmm/charge.h */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/device/device.h"
#include "core/limit/charge.h"
#include "core/page/range.h"

struct uhmm_group *uhmm_group_root(struct uhmm *u)
{
	return u ? &u->charge.root : NULL;
}

static bool is_foreign(const struct uhmm_group *g, const struct uhmm_device *d)
{
	return d && d->u != g->u;
}

/* It is printed, one a line. */
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

	if (!g || is_foreign(g, dev) || bytes % MM_PAGE_SIZE)
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
		     struct uhmm_group_info *info)
{
	struct request req = { .op = REQ_CHARGE_START };
	unsigned tier = dev ? dev->id : 0;
	struct uhmm_group_info i = { .size = 0 };
	int err;

	if (!g || !info || is_foreign(g, dev))
		return -EINVAL;
	err = check_struct(info, sizeof(i), info->size);
	if (!err)
		err = (int)request_run(g->u, &req);
	if (err)
		return err;
	i.size = info->size;
	i.pages = charge_pages(g, tier);
	i.all_pages = charge_all(g);
	i.limit = atomic_load(&g->tier[tier].limit) << MM_PAGE_SHIFT;
	i.exceeded = atomic_load(&g->tier[tier].exceeded);
	i.nr_children = g->nr_children;
	memcpy(i.name, g->name, sizeof(i.name));
	memcpy(info, &i, i.size < sizeof(i) ? i.size : sizeof(i));
	return 0;
}
