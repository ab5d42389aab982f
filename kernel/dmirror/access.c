// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * access.c - the device reads and writes memory by its table.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "dmirror.h"

static void *usable_entry(struct mirror *m, unsigned long index, bool write)
{
	void *entry = xa_load(&m->table, index);

	if (write && !(xa_pointer_tag(entry) & ENTRY_WRITE))
		return NULL;
	return entry;
}

static void copy(void *entry, char *data, bool write)
{
	struct page *page = uhmmk_page_store(xa_untag_pointer(entry));

	if (write)
		memcpy_to_page(page, 0, data, PAGE_SIZE);
	else
		memcpy_from_page(data, page, 0, PAGE_SIZE);
}

/* Copy as far as there are entries.  Return: pages. */
static unsigned long copy_run(struct mirror *m, unsigned long addr, char *data,
			      unsigned long npages, bool write)
{
	unsigned long n;

	mutex_lock(&m->lock);
	for (n = 0; n < npages; n++) {
		void *entry = usable_entry(m, (addr >> PAGE_SHIFT) + n, write);

		if (!entry)
			break;
		copy(entry, data + n * PAGE_SIZE, write);
	}
	mutex_unlock(&m->lock);
	return n;
}

static int access_all(struct mirror *m, struct command *c, char *data,
		      bool write, bool may_fault)
{
	unsigned long end = c->addr + c->npages * PAGE_SIZE, done = 0;
	int ret = 0;

	while (!ret) {
		unsigned long at = c->addr + done * PAGE_SIZE;
		unsigned long n = copy_run(m, at, data + done * PAGE_SIZE,
					   c->npages - done, write);

		done += n;
		c->cpages = done;
		if (done == c->npages)
			return 0;
		if (!may_fault)
			return -ENOENT;
		c->faults++;
		ret = mirror_fault(m, at + n * PAGE_SIZE, end, write);
	}
	return ret;
}

int mirror_access(struct mirror *m, struct command *c, bool write,
		  bool may_fault)
{
	void __user *user = u64_to_user_ptr(c->ptr);
	size_t len = c->npages * PAGE_SIZE;
	char *data = kvmalloc(len, GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!data)
		return -ENOMEM;
	if (write && copy_from_user(data, user, len))
		ret = -EFAULT;
	if (!ret)
		ret = access_all(m, c, data, write, may_fault);
	if (!ret && !write && copy_to_user(user, data, len))
		ret = -EFAULT;
	kvfree(data);
	return ret;
}
