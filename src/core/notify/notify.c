/* SPDX-License-Identifier: MIT */
/*
 * notify.c - the mirrors of a context are told what changes; see mirror.h.
 *
 * A mirror is found by its number, without a lock: the caller counts itself in
 * first (mirror_hold()), and a removal waits until the count is zero.
 */
#include "core/notify/notify.h"
#include "core/context/context.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "core/notify/mirror.h"
#include "core/page/block.h"
#include "core/page/slot.h"

#include <errno.h>

/* ---- By number -------------------------------------------------------- */

struct uhmm_mirror *mirror_hold(struct uhmm *u, unsigned id)
{
	struct mirror_slot *s = &u->mirrors.slot[id];
	struct uhmm_mirror *m;

	if (!atomic_load_explicit(&s->mirror, memory_order_relaxed))
		return NULL;
	atomic_fetch_add(&s->users, 1);
	m = atomic_load(&s->mirror);
	if (!m)
		mirror_put(u, id);
	return m;
}

void mirror_put(struct uhmm *u, unsigned id)
{
	struct mirror_slot *s = &u->mirrors.slot[id];

	if (atomic_fetch_sub(&s->users, 1) == 1 && !atomic_load(&s->mirror))
		sys_futex_wake(&s->users, INT32_MAX);
}

/* ---- Callbacks -------------------------------------------------------- */

static struct sys_wait_slot *call_of(const struct uhmm_mirror *m)
{
	return &m->u->mirrors.slot[m->id].call;
}

static void begin_call(struct uhmm_mirror *m, const char *what, uintptr_t at)
{
	struct sys_wait_slot *s = call_of(m);

	atomic_store_explicit(&s->name, m->dev ? m->dev->name : NULL,
			      memory_order_relaxed);
	atomic_store_explicit(&s->what, what, memory_order_relaxed);
	atomic_store_explicit(&s->at, at, memory_order_relaxed);
	atomic_store_explicit(&s->next, 0, memory_order_relaxed);
	/* The watchdog reads the others after @since. */
	atomic_store_explicit(&s->since, sys_now_ns(), memory_order_release);
	callback_enter();
}

/*
 * Either is_due() of watchdog.c sees that the call ended, or this thread sees
 * @next.
 */
static void end_call(struct uhmm_mirror *m)
{
	struct sys_wait_slot *s = call_of(m);
	uint64_t since = atomic_exchange(&s->since, 0);

	callback_leave();
	if (atomic_load(&s->next))
		watchdog_mirror_ended(m->u, m->id, since);
}

int mirror_map(struct uhmm_mirror *m, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	int err;

	begin_call(m, "map", start);
	err = m->ops.map(m->priv, start, pfns, npages);
	end_call(m);
	return err;
}

static void invalidate(struct uhmm_mirror *m, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	begin_call(m, "invalidate", start);
	m->ops.invalidate(m->priv, start, end, why);
	end_call(m);
}

void mirror_lock(struct uhmm_mirror *m)
{
	sys_wait_lock(&m->u->waits, &m->lock, "a mirror's callback to end", 0);
}

/* ---- Telling ---------------------------------------------------------- */

void mirror_tell(struct uhmm_mirror *m, uintptr_t start, uintptr_t end,
		 enum uhmm_notify why)
{
	if (start < m->start)
		start = m->start;
	if (end > m->end)
		end = m->end;
	if (start >= end)
		return;
	mirror_lock(m);
	atomic_fetch_add(&m->seq, 1);
	invalidate(m, start, end, why);
	sys_mutex_unlock(&m->lock);
}

static unsigned mirrors_end(struct uhmm *u)
{
	return atomic_load_explicit(&u->mirrors.end, memory_order_relaxed);
}

static bool has_none(struct uhmm *u)
{
	return !atomic_load_explicit(&u->mirrors.count, memory_order_relaxed);
}

void mirror_invalidate(struct uhmm *u, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	/* Either a mirror being added reads our word, or we read its count. */
	atomic_thread_fence(memory_order_seq_cst);
	if (has_none(u))
		return;
	for (unsigned id = 1; id < mirrors_end(u); id++) {
		struct uhmm_mirror *m = mirror_hold(u, id);

		if (!m)
			continue;
		mirror_tell(m, start, end, why);
		mirror_put(u, id);
	}
}

void mirror_invalidate_set(struct uhmm *u, const struct block *b,
			   const struct mm_set *set, enum uhmm_notify why)
{
	unsigned from = set_find(set, 0, true), to = from;

	if (has_none(u) || from == MM_BLOCK_PAGES)
		return;
	set_for_each_run(set, first, last)
		to = last;
	mirror_invalidate(u, b->va + from * MM_PAGE_SIZE,
			  b->va + to * MM_PAGE_SIZE, why);
}

bool mirror_covers(struct uhmm *u, uintptr_t addr)
{
	bool covers = false;

	if (has_none(u))
		return false;
	for (unsigned id = 1; id < mirrors_end(u) && !covers; id++) {
		struct uhmm_mirror *m = mirror_hold(u, id);

		if (!m)
			continue;
		covers = addr >= m->start && addr < m->end;
		mirror_put(u, id);
	}
	return covers;
}
