/* SPDX-License-Identifier: MIT */
/*
 * mirror_api.c - the public calls of mirrors: they check arguments and make a
 * request.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/structs.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/mirror/mirror_api.h"
#include "core/notify/mirror.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/region.h"

#define ACCESSED_MAX 1024

static int check_ops(struct uhmm_mirror_ops *ret,
		     const struct uhmm_mirror_ops *ops)
{
	int err = copy_struct(ret, sizeof(*ret), ops, ops->size);

	if (!err && (!ret->map || !ret->invalidate))
		err = -EINVAL;
	return err;
}

/* NULL and 0 mean all addresses. */
static int check_mirror_range(struct uhmm *u, const void *addr, size_t len)
{
	return addr || len ? range_check(u, addr, len) : 0;
}

static int check_mirror_device(const struct uhmm *u,
			       const struct uhmm_device *dev)
{
	if (!dev)
		return 0;
	if (dev->u != u)
		return -EINVAL;
	return dev->pagemap.closed ? -ENODEV : 0;
}

static int check_add(struct uhmm *u, const void *addr, size_t len,
		     const struct uhmm_device *dev,
		     const struct uhmm_mirror_ops *ops,
		     struct uhmm_mirror_ops *ret)
{
	int err;

	if (!u || !ops)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	if (device_in_callback())
		return -EDEADLK;
	err = check_mirror_range(u, addr, len);
	if (!err)
		err = check_mirror_device(u, dev);
	return err ? err : check_ops(ret, ops);
}

int uhmm_mirror_add(struct uhmm *u, void *addr, size_t len,
		    struct uhmm_device *dev, const struct uhmm_mirror_ops *ops,
		    void *priv, struct uhmm_mirror **ret_mirror)
{
	struct uhmm_mirror_ops own;
	struct uhmm_mirror *m;
	int err;

	if (!ret_mirror)
		return -EINVAL;
	err = check_add(u, addr, len, dev, ops, &own);
	if (err)
		return err;
	m = sys_alloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->u = u;
	m->dev = dev;
	m->ops = own;
	m->priv = priv;
	m->start = (uintptr_t)addr;
	m->end = len ? m->start + len : (uintptr_t)1 << VA_BITS;
	err = watchdog_start(u);
	if (!err)
		err = do_mirror_add(m);
	if (err) {
		sys_free(m, sizeof(*m));
		return err;
	}
	*ret_mirror = m;
	return 0;
}

int uhmm_mirror_remove(struct uhmm_mirror *mirror)
{
	struct request req = { .op = REQ_MIRROR_REMOVE, .mirror = mirror };

	return mirror ? (int)request_run(mirror->u, &req) : 0;
}

/*
 * Run @req with the mirror held, so that the mirror stays until the request has
 * ended.
 */
static int run_held(struct uhmm_mirror *m, const void *addr, size_t len,
		    struct request *req)
{
	struct uhmm *u = m->u;
	unsigned id = m->id;
	int err = range_check(u, addr, len);

	if (err)
		return err;
	if (mirror_hold(u, id) != m)
		return -ENODEV;
	req->mirror = m;
	req->addr = (uintptr_t)addr;
	req->len = len;
	err = (int)request_run(u, req);
	mirror_put(u, id);
	return err;
}

int uhmm_mirror_fault(struct uhmm_mirror *mirror, void *addr, size_t len,
		      unsigned flags)
{
	const unsigned known = UHMM_FAULT_WRITE | UHMM_FAULT_EXCLUSIVE |
			       UHMM_FAULT_PRESENT;
	struct request req = { .op = REQ_MIRROR_FAULT, .flags = flags };

	if (!mirror || flags & ~known)
		return -EINVAL;
	if (flags & UHMM_FAULT_EXCLUSIVE)
		req.flags |= UHMM_FAULT_WRITE;
	return run_held(mirror, addr, len, &req);
}

int uhmm_mirror_snapshot(struct uhmm_mirror *mirror, const void *addr,
			 size_t len, uhmm_pfn_t *ret_pfns)
{
	struct request req = { .op = REQ_MIRROR_SNAPSHOT, .pfns = ret_pfns };

	if (!mirror || !ret_pfns)
		return -EINVAL;
	return run_held(mirror, addr, len, &req);
}

/* ---- What devices touch ----------------------------------------------- */

/* The count is a hint: losing an update to a race does no harm. */
static void note_access(struct block *b, uint32_t count)
{
	uint32_t sum = count +
		       atomic_load_explicit(&b->accessed, memory_order_relaxed);

	if (sum > ACCESSED_MAX || sum < count)
		sum = ACCESSED_MAX;
	atomic_store_explicit(&b->accessed, (uint16_t)sum,
			      memory_order_relaxed);
}

int uhmm_device_accessed(struct uhmm_device *dev, const void *addr, size_t len,
			 uint32_t count)
{
	uintptr_t at = (uintptr_t)addr, end = at + len, last;
	int err = dev ? range_check(dev->u, addr, len) : -EINVAL;

	if (dev && context_is_dead(dev->u))
		return -ENODEV;
	if (err || !count)
		return err;
	for (; at < end && region_next(dev->u, at, end, &at, &last);
	     at = (at | (MM_BLOCK_SIZE - 1)) + 1) {
		struct block *b = block_get(dev->u, at);

		if (b)
			note_access(b, count);
	}
	return 0;
}
