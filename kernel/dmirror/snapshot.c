// SPDX-License-Identifier: GPL-2.0 OR MIT
/* snapshot.c - the contents of a process's page tables, without a fault. */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "dmirror.h"

static unsigned char kind(struct mirror *m, struct page *page)
{
	unsigned char type;

	if (is_device_private_page(page))
		type = SHOT_PRIVATE;
	else if (is_device_coherent_page(page))
		type = SHOT_COHERENT;
	else
		return is_zero_pfn(page_to_pfn(page)) ? SHOT_ZERO : 0;
	if (uhmmk_page_pagemap(page) == &m->dev->pm)
		return type;
	return type | SHOT_REMOTE;
}

static unsigned char size(unsigned long pfn)
{
	switch (hmm_pfn_to_map_order(pfn)) {
	case PMD_SHIFT - PAGE_SHIFT:
		return SHOT_PMD;
	case PUD_SHIFT - PAGE_SHIFT:
		return SHOT_PUD;
	}
	return 0;
}

static unsigned char shot(struct mirror *m, unsigned long pfn)
{
	if (pfn & HMM_PFN_ERROR)
		return SHOT_ERROR;
	if (!(pfn & HMM_PFN_VALID))
		return 0;
	return kind(m, hmm_pfn_to_page(pfn)) | size(pfn) |
	       (pfn & HMM_PFN_WRITE ? SHOT_WRITE : SHOT_READ);
}

static int snapshot_run(struct mirror *m, unsigned long addr,
			unsigned long npages, unsigned char *ret_shots)
{
	unsigned long pfns[RUN] = {}, i;
	struct hmm_range range = {
		.notifier = &m->notifier,
		.hmm_pfns = pfns,
		.start = addr,
		.end = addr + npages * PAGE_SIZE,
		.dev_private_owner = m->dev,
	};
	int ret = mirror_range_fault(m, &range);

	if (ret)
		return ret;
	for (i = 0; i < npages; i++)
		ret_shots[i] = shot(m, pfns[i]);
	mutex_unlock(&m->lock);
	return 0;
}

int mirror_snapshot(struct mirror *m, struct command *c)
{
	unsigned char __user *user = u64_to_user_ptr(c->ptr);
	unsigned char shots[RUN];

	while (c->cpages < c->npages) {
		unsigned long n = min_t(u64, RUN, c->npages - c->cpages);
		unsigned long at = c->addr + c->cpages * PAGE_SIZE;
		int ret = snapshot_run(m, at, n, shots);

		if (ret)
			return ret;
		if (copy_to_user(user + c->cpages, shots, n))
			return -EFAULT;
		c->cpages += n;
	}
	return 0;
}
