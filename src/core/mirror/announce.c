/* SPDX-License-Identifier: MIT */
/*
 * announce.c - changes of memory that the program announces to mirrors.
 *
 * Each change that is under way is in a list, and each mirror that covers a
 * part of the change counts it: mirrors that exist when the change begins, and
 * mirrors that are added before its end.  A mirror's faults wait while the
 * mirror counts a change.  The lists of changes and of mirrors both change
 * under mirrors.lock, so the end of a change is counted by exactly the mirrors
 * that counted its beginning.
 *
 * Nor are mappings replaced by device memory, or the reverse, where a change is
 * under way: when the call that announces it returns, none is being replaced.
 */
#include <errno.h>

#include "core/coherent/fixed.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/mirror/mirror_api.h"
#include "core/notify/mirror.h"
#include "core/notify/notify.h"
#include "core/page/region.h"
#include "core/page/slab.h"

struct change {
	struct change *next;
	uintptr_t start, end;
};

void announce_init(struct uhmm *u)
{
	u->mirrors.slab.size = sizeof(struct change);
	sys_mutex_set_rank(&u->mirrors.slab.lock, RANK_LEAF);
}

void announce_destroy(struct uhmm *u)
{
	slab_destroy(&u->mirrors.slab);
}

static bool covers(const struct uhmm_mirror *m, uintptr_t start, uintptr_t end)
{
	return start < m->end && end > m->start;
}

void announce_added(struct uhmm_mirror *m)
{
	struct change *c = m->u->mirrors.changes;
	uint32_t n = 0;

	for (; c; c = c->next)
		n += covers(m, c->start, c->end);
	atomic_store(&m->changing, n);
}

/*
 * Each mirror that covers @c counts one change more, or less.  Caller holds
 * mirrors.lock.
 */
static void count_all(struct uhmm *u, const struct change *c, bool begins)
{
	for (unsigned id = 1; id < MAX_MIRRORS; id++) {
		struct uhmm_mirror *m = mirror_hold(u, id);

		if (!m)
			continue;
		if (!covers(m, c->start, c->end))
			;
		else if (begins)
			atomic_fetch_add(&m->changing, 1);
		else if (atomic_fetch_sub(&m->changing, 1) == 1)
			sys_futex_wake(&m->changing, INT32_MAX);
		mirror_put(u, id);
	}
}

bool announce_has(void *priv, uintptr_t start, uintptr_t end)
{
	struct mirrors *all = &((struct uhmm *)priv)->mirrors;
	struct change *c;

	sys_mutex_lock(&all->lock);
	for (c = all->changes; c; c = c->next)
		if (start < c->end && end > c->start)
			break;
	sys_mutex_unlock(&all->lock);
	return c;
}

int do_notify_begin(struct uhmm *u, uintptr_t addr, size_t len,
		    enum uhmm_notify why)
{
	struct mirrors *all = &u->mirrors;
	struct change *c = slab_alloc(&all->slab);

	if (!c)
		return -ENOMEM;
	c->start = addr;
	c->end = addr + len;
	sys_mutex_lock(&all->lock);
	c->next = all->changes;
	all->changes = c;
	count_all(u, c, true);
	sys_mutex_unlock(&all->lock);
	if (u->mm->ops->place_sync)
		u->mm->ops->place_sync(u->mm);
	mirror_invalidate(u, addr, addr + len, why);
	if (why == UHMM_NOTIFY_UNMAP)
		fixed_unmap(u, addr, addr + len);
	return 0;
}

int do_notify_end(struct uhmm *u, uintptr_t addr, size_t len)
{
	struct mirrors *all = &u->mirrors;
	struct change **at = &all->changes, *c;

	sys_mutex_lock(&all->lock);
	while (*at && ((*at)->start != addr || (*at)->end != addr + len))
		at = &(*at)->next;
	c = *at;
	if (c) {
		*at = c->next;
		count_all(u, c, false);
	}
	sys_mutex_unlock(&all->lock);
	if (!c)
		return -EINVAL;
	slab_free(&all->slab, c);
	return 0;
}

/* ---- Public ------------------------------------------------------------ */

static int notify(struct uhmm *u, void *addr, size_t len, struct request *req)
{
	int err = range_check(u, addr, len);

	if (err)
		return err;
	req->addr = (uintptr_t)addr;
	req->len = len;
	return (int)request_run(u, req);
}

int uhmm_notify_begin(struct uhmm *u, void *addr, size_t len,
		      enum uhmm_notify why)
{
	struct request req = { .op = REQ_NOTIFY_BEGIN, .flags = why };

	if (why < UHMM_NOTIFY_UNMAP || why > UHMM_NOTIFY_PROTECT)
		return -EINVAL;
	return notify(u, addr, len, &req);
}

int uhmm_notify_end(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_NOTIFY_END };

	return notify(u, addr, len, &req);
}
