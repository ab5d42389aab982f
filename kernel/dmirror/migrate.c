// SPDX-License-Identifier: GPL-2.0 OR MIT
/* migrate.c - moves pages to the device, which enters them, or home. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "dmirror.h"

/* A moved hole may be written to if its mapping may be. */
static unsigned long tags(const struct uhmmk_run *run, unsigned long i)
{
	bool was_hole = !(run->src[i] & MIGRATE_PFN_VALID);

	if (run->dst[i] & MIGRATE_PFN_WRITE)
		return ENTRY_WRITE;
	return was_hole && run->args.vma->vm_flags & VM_WRITE ? ENTRY_WRITE : 0;
}

/*
 * Called before the moved pages can be touched.  If the notifier's sequence has
 * changed an entry may be stale: then enter none, and let the device fault.
 */
static void enter_moved(struct uhmmk_run *run)
{
	struct mirror *m = run->private;
	unsigned long i, seq = mmu_interval_read_begin(&m->notifier);

	mutex_lock(&m->lock);
	for (i = 0; i < run->npages; i++) {
		if (!uhmmk_run_has_moved(run, i) ||
		    mmu_interval_read_retry(&m->notifier, seq))
			continue;
		mirror_enter(m, run->args.start + i * PAGE_SIZE,
			     migrate_pfn_to_page(run->dst[i]), tags(run, i));
	}
	mutex_unlock(&m->lock);
}

static int migrate_all(struct mirror *m, struct uhmmk_run *run,
		       struct command *c)
{
	unsigned long at, end = c->addr + c->npages * PAGE_SIZE;
	int ret = 0;

	mmap_read_lock(m->mm);
	for (at = c->addr; at < end && !ret; at = run->args.end) {
		ret = uhmmk_run_move(run, m->mm, at, end);
		c->cpages += ret ? 0 : run->nr_moved;
	}
	mmap_read_unlock(m->mm);
	return ret;
}

/* After a move to the device the tests expect the device's data. */
int mirror_migrate(struct mirror *m, struct command *c, bool is_home)
{
	struct uhmmk_run *run = kzalloc(sizeof(*run), GFP_KERNEL);
	int ret;

	if (!run)
		return -ENOMEM;
	run->pm = &m->dev->pm;
	run->is_home = is_home;
	run->moved = is_home ? NULL : enter_moved;
	run->private = m;
	ret = migrate_all(m, run, c);
	kfree(run);
	return ret || is_home ? ret : mirror_access(m, c, false, false);
}
