// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * exclusive.c - pages that are the device's alone until the CPU touches one.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "dmirror.h"

static int take(struct mirror *m, unsigned long addr)
{
	struct page *page = compat_make_exclusive(m->mm, addr, m->dev);
	int ret;

	if (!page)
		return -EBUSY;
	mutex_lock(&m->lock);
	ret = mirror_enter(m, addr, page, ENTRY_WRITE | ENTRY_ATOMIC);
	mutex_unlock(&m->lock);
	unlock_page(page);
	put_page(page);
	return ret;
}

int mirror_exclusive(struct mirror *m, struct command *c)
{
	unsigned long at, end = c->addr + c->npages * PAGE_SIZE;
	int ret = 0;

	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE))
		return -EOPNOTSUPP;
	mmap_read_lock(m->mm);
	for (at = c->addr; at < end && !ret; at += PAGE_SIZE)
		ret = take(m, at);
	mmap_read_unlock(m->mm);
	return ret ?: mirror_access(m, c, false, false);
}

int mirror_check_exclusive(struct mirror *m, struct command *c)
{
	unsigned long i, first = c->addr >> PAGE_SHIFT;
	void *entry;
	int ret = 0;

	mutex_lock(&m->lock);
	xa_for_each_range(&m->table, i, entry, first, first + c->npages - 1)
		if (xa_pointer_tag(entry) & ENTRY_ATOMIC)
			ret = -EPERM;
	mutex_unlock(&m->lock);
	return ret;
}
