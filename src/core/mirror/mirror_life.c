/* SPDX-License-Identifier: MIT */
/*
 * mirror_life.c - mirrors are added and removed, and go with their device.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/mirror/mirror_api.h"
#include "core/move/exclusive.h"
#include "core/notify/mirror.h"
#include "core/notify/notify.h"

static void wait_for_users(struct uhmm *u, struct mirror_slot *s)
{
	struct sys_wait w = { .all = &u->waits,
			      .what = "faults of the mirror to end" };
	uint32_t users;

	while ((users = atomic_load(&s->users)))
		sys_wait_open(&w, &s->users, users, 0);
	sys_wait_end(&w);
}

int do_mirror_add(struct uhmm_mirror *m)
{
	struct mirrors *all = &m->u->mirrors;
	int err = -ENOMEM;

	sys_mutex_set_rank(&m->lock, RANK_MIRROR);
	sys_mutex_lock(&all->lock);
	for (unsigned id = 1; id < MAX_MIRRORS && err; id++) {
		if (all->slot[id].taken)
			continue;
		all->slot[id].taken = true;
		m->id = id;
		if (id >= atomic_load_explicit(&all->end, memory_order_relaxed))
			atomic_store(&all->end, id + 1);
		announce_added(m);
		atomic_fetch_add(&all->count, 1);
		atomic_store(&all->slot[id].mirror, m);
		err = 0;
	}
	sys_mutex_unlock(&all->lock);
	atomic_thread_fence(memory_order_seq_cst);
	return err;
}

/* Give pages that are exclusive to the mirror back to the CPU. */
static void release_exclusive(struct uhmm_mirror *m)
{
	struct uhmm *u = m->u;
	struct mm_set all;

	atomic_store(&m->gone, true);
	sys_futex_wake(&m->changing, INT32_MAX);
	mirror_tell(m, m->start, m->end, UHMM_NOTIFY_RELEASE);
	set_fill(&all);
	block_for_each(u, b)
		exclusive_end(u, b, &all, m->id);
}

/*
 * Another mirror gets the number only when this mirror has no users any more:
 * otherwise this removal would count the other mirror's users, too, and wait
 * for them.
 */
int do_mirror_remove(struct uhmm_mirror *m)
{
	struct mirrors *all = &m->u->mirrors;
	struct mirror_slot *s = &all->slot[m->id];

	release_exclusive(m);
	atomic_store(&s->mirror, NULL);
	wait_for_users(m->u, s);
	atomic_fetch_sub(&all->count, 1);
	sys_mutex_lock(&all->lock);
	s->taken = false;
	sys_mutex_unlock(&all->lock);
	sys_free(m, sizeof(*m));
	return 0;
}

void mirror_device_gone(struct uhmm_device *dev)
{
	for (unsigned id = 1; id < MAX_MIRRORS; id++) {
		struct uhmm_mirror *m = mirror_hold(dev->u, id);

		if (!m)
			continue;
		if (m->dev == dev)
			release_exclusive(m);
		mirror_put(dev->u, id);
	}
}

void mirror_destroy(struct uhmm *u)
{
	for (unsigned id = 1; id < MAX_MIRRORS; id++) {
		struct uhmm_mirror *m =
			atomic_load(&u->mirrors.slot[id].mirror);

		if (!m)
			continue;
		mirror_tell(m, m->start, m->end, UHMM_NOTIFY_RELEASE);
		sys_free(m, sizeof(*m));
	}
}
