// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * mirror.c - the table of a mirror: filled by faults, emptied by the notifier.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>

#include "dmirror.h"

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long seq)
{
	struct mirror *m = container_of(notifier, struct mirror, notifier);
	unsigned long i;
	void *entry;

	/* The mover itself enters the pages that it moves. */
	if (range->event == MMU_NOTIFY_MIGRATE && range->owner == m->dev)
		return true;
	if (mmu_notifier_range_blockable(range))
		mutex_lock(&m->lock);
	else if (!mutex_trylock(&m->lock))
		return false;
	mmu_interval_set_seq(notifier, seq);
	xa_for_each_range(&m->table, i, entry, range->start >> PAGE_SHIFT,
			  (range->end - 1) >> PAGE_SHIFT)
		xa_erase(&m->table, i);
	mutex_unlock(&m->lock);
	return true;
}

static const struct mmu_interval_notifier_ops ops = {
	.invalidate = invalidate,
};

int mirror_init(struct mirror *m)
{
	mutex_init(&m->lock);
	xa_init(&m->table);
	return mmu_interval_notifier_insert(&m->notifier, m->mm, 0,
					    ULONG_MAX & PAGE_MASK, &ops);
}

void mirror_exit(struct mirror *m)
{
	mmu_interval_notifier_remove(&m->notifier);
	xa_destroy(&m->table);
}

int mirror_enter(struct mirror *m, unsigned long addr, struct page *page,
		 unsigned long tags)
{
	return xa_err(xa_store(&m->table, addr >> PAGE_SHIFT,
			       xa_tag_pointer(page, tags), GFP_KERNEL));
}

static int range_fault_once(struct mirror *m, struct hmm_range *range)
{
	int ret;

	if (m->is_unlocked)
		return compat_range_fault_unlocked(range, HZ);
	range->notifier_seq = mmu_interval_read_begin(&m->notifier);
	mmap_read_lock(m->mm);
	ret = hmm_range_fault(range);
	mmap_read_unlock(m->mm);
	return ret;
}

int mirror_range_fault(struct mirror *m, struct hmm_range *range)
{
	unsigned long end = jiffies + 10 * HZ;
	int ret;

	while (time_before(jiffies, end)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = range_fault_once(m, range);
		if (ret == -EBUSY)
			continue;
		if (ret)
			return ret;
		mutex_lock(&m->lock);
		if (!mmu_interval_read_retry(&m->notifier, range->notifier_seq))
			return 0;
		mutex_unlock(&m->lock);
	}
	return -EBUSY;
}

static int enter_run(struct mirror *m, const struct hmm_range *range)
{
	unsigned long i, n = (range->end - range->start) >> PAGE_SHIFT;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		unsigned long pfn = range->hmm_pfns[i];

		ret = mirror_enter(m, range->start + i * PAGE_SIZE,
				   hmm_pfn_to_page(pfn),
				   pfn & HMM_PFN_WRITE ? ENTRY_WRITE : 0);
	}
	return ret;
}

int mirror_fault(struct mirror *m, unsigned long start, unsigned long end,
		 bool write)
{
	unsigned long pfns[RUN];
	struct hmm_range range = {
		.notifier = &m->notifier,
		.hmm_pfns = pfns,
		.default_flags = HMM_PFN_REQ_FAULT |
				 (write ? HMM_PFN_REQ_WRITE : 0),
		.dev_private_owner = m->dev,
	};
	int ret = 0;

	for (; start < end && !ret; start = range.end) {
		range.start = start;
		range.end = min(end, start + RUN * PAGE_SIZE);
		ret = mirror_range_fault(m, &range);
		if (ret)
			return ret;
		ret = enter_run(m, &range);
		mutex_unlock(&m->lock);
	}
	return ret;
}
