// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * look.c - where pages are, by hmm_range_fault() without a fault.
 *
 * hmm_range_fault() reads page tables that change; the notifier says whether
 * they did.  An answer may be out of date when the caller reads it, as with any
 * snapshot.
 */
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "look.h"

#define RUN 256

struct look {
	struct mmu_interval_notifier notifier;
	spinlock_t lock; /* of the notifier's sequence */
	unsigned long pfns[RUN];
	u32 on[RUN];
};

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range,
		       unsigned long seq)
{
	struct look *l = container_of(notifier, struct look, notifier);

	spin_lock(&l->lock);
	mmu_interval_set_seq(notifier, seq);
	spin_unlock(&l->lock);
	return true;
}

static const struct mmu_interval_notifier_ops ops = {
	.invalidate = invalidate,
};

static u32 place(unsigned long pfn)
{
	struct page *page;

	if (!(pfn & HMM_PFN_VALID))
		return UHMMK_NOWHERE;
	page = hmm_pfn_to_page(pfn);
	if (!is_device_private_page(page) && !is_device_coherent_page(page))
		return UHMMK_RAM;
	return uhmmk_device_is_ours(page) ? uhmmk_page_device(page)->id :
					    UHMMK_NOWHERE;
}

/* The places of the pages of a range, all at one time. */
static int range_fault(struct look *l, struct hmm_range *range)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = jiffies + 10 * HZ;
	int ret;

	do {
		if (signal_pending(current))
			return -EINTR;
		range->notifier_seq = mmu_interval_read_begin(&l->notifier);
		memset(l->pfns, 0, sizeof(l->pfns));
		mmap_read_lock(mm);
		ret = hmm_range_fault(range);
		mmap_read_unlock(mm);
	} while (ret == -EBUSY && time_before(jiffies, end));
	return ret;
}

static bool is_current(struct look *l, const struct hmm_range *range)
{
	bool ret;

	spin_lock(&l->lock);
	ret = !mmu_interval_read_retry(&l->notifier, range->notifier_seq);
	spin_unlock(&l->lock);
	return ret;
}

/*
 * Pages may move meanwhile.  place() looks at a page by its number only, and
 * the run is repeated if the notifier reports a change.
 */
static int look_run(struct look *l, unsigned long addr, unsigned long npages)
{
	struct hmm_range range = {
		.notifier = &l->notifier,
		.start = addr,
		.end = addr + npages * PAGE_SIZE,
		.hmm_pfns = l->pfns,
		.dev_private_owner = uhmmk_owner,
	};
	unsigned long i;
	int ret;

	do {
		ret = range_fault(l, &range);
		if (ret)
			return ret;
		for (i = 0; i < npages; i++)
			l->on[i] = place(l->pfns[i]);
	} while (!is_current(l, &range));
	return 0;
}

static int look_all(struct look *l, unsigned long addr, unsigned long npages,
		    u32 __user *on)
{
	while (npages) {
		unsigned long n = min_t(unsigned long, npages, RUN);
		int ret = look_run(l, addr, n);

		if (ret)
			return ret;
		if (copy_to_user(on, l->on, n * sizeof(*on)))
			return -EFAULT;
		addr += n * PAGE_SIZE;
		npages -= n;
		on += n;
		cond_resched();
	}
	return 0;
}

int uhmmk_look(unsigned long addr, unsigned long npages, u32 __user *on)
{
	struct look *l = kmalloc(sizeof(*l), GFP_KERNEL);
	int ret;

	if (!l)
		return -ENOMEM;
	spin_lock_init(&l->lock);
	ret = mmu_interval_notifier_insert(&l->notifier, current->mm, addr,
					   npages * PAGE_SIZE, &ops);
	if (!ret) {
		ret = look_all(l, addr, npages, on);
		mmu_interval_notifier_remove(&l->notifier);
	}
	kfree(l);
	return ret;
}
