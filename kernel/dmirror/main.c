// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * main.c - /dev/hmm_dmirror0 to 3, for Linux's selftests for HMM.
 *
 * Devices 0 and 1 are private.  Devices 2 and 3 are coherent: each has 256 MiB
 * of memory that was set aside at spm_addr_dev0 or spm_addr_dev1.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmirror.h"

#define NR_DEVICES 4
#define NPAGES	   (256UL << (20 - PAGE_SHIFT))

static struct device_of_tests devices[NR_DEVICES];
static unsigned long spm[2];
module_param_hw_named(spm_addr_dev0, spm[0], ulong, iomem, 0400);
MODULE_PARM_DESC(spm_addr_dev0, "memory of the first coherent device");
module_param_hw_named(spm_addr_dev1, spm[1], ulong, iomem, 0400);
MODULE_PARM_DESC(spm_addr_dev1, "memory of the second coherent device");

static int run(struct mirror *m, unsigned int cmd, struct command *c)
{
	m->is_unlocked = cmd == CMD_READ_UNLOCKED;
	switch (cmd) {
	case CMD_READ:
	case CMD_READ_UNLOCKED:
		return mirror_access(m, c, false, true);
	case CMD_WRITE:
		return mirror_access(m, c, true, true);
	case CMD_TO_DEVICE:
		return mirror_migrate(m, c, false);
	case CMD_TO_RAM:
		return mirror_migrate(m, c, true);
	case CMD_SNAPSHOT:
		return mirror_snapshot(m, c);
	case CMD_EXCLUSIVE:
		return mirror_exclusive(m, c);
	case CMD_CHECK_EXCLUSIVE:
		return mirror_check_exclusive(m, c);
	case CMD_RELEASE:
		uhmmk_pagemap_evict(&m->dev->pm);
		return 0;
	case CMD_FLAGS:
		/*
		 * Has huge allocations fail in Linux's driver; none are made
		 * here.
		 */
		return 0;
	}
	return -EINVAL;
}

static int check(unsigned int cmd, const struct command *c)
{
	if (cmd == CMD_FLAGS)
		return 0;
	if (!PAGE_ALIGNED(c->addr) || !c->npages || c->addr >= TASK_SIZE ||
	    c->npages > (TASK_SIZE - c->addr) >> PAGE_SHIFT)
		return -EINVAL;
	return 0;
}

/* Another process than the one that opened the file may use it. */
static int run_there(struct mirror *m, unsigned int cmd, struct command *c)
{
	int ret = check(cmd, c);

	if (ret)
		return ret;
	if (!mmget_not_zero(m->mm))
		return -EINVAL;
	c->cpages = 0;
	c->faults = 0;
	ret = run(m, cmd, c);
	mmput(m->mm);
	return ret;
}

static long dmirror_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct command c;
	int ret;

	if (_IOC_TYPE(cmd) != 'H' || _IOC_SIZE(cmd) != sizeof(c))
		return -EINVAL;
	if (copy_from_user(&c, user, sizeof(c)))
		return -EFAULT;
	ret = run_there(file->private_data, cmd, &c);
	if (ret)
		return ret;
	return copy_to_user(user, &c, sizeof(c)) ? -EFAULT : 0;
}

static int dmirror_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;
	struct mirror *m = kzalloc(sizeof(*m), GFP_KERNEL);
	int ret;

	if (!m)
		return -ENOMEM;
	m->dev = container_of(misc, struct device_of_tests, misc);
	m->mm = current->mm;
	ret = mirror_init(m);
	if (ret) {
		kfree(m);
		return ret;
	}
	mmgrab(m->mm);
	file->private_data = m;
	return 0;
}

static int dmirror_release(struct inode *inode, struct file *file)
{
	struct mirror *m = file->private_data;

	mirror_exit(m);
	uhmmk_pagemap_evict(&m->dev->pm);
	mmdrop(m->mm);
	kfree(m);
	return 0;
}

/* Pages that are not anonymous, for the test of mixed mappings */
static int dmirror_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long at;

	for (at = vma->vm_start; at < vma->vm_end; at += PAGE_SIZE) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		int ret;

		if (!page)
			return -ENOMEM;
		ret = vm_insert_page(vma, at, page);
		put_page(page);
		if (ret)
			return ret;
	}
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = dmirror_open,
	.release = dmirror_release,
	.mmap = dmirror_mmap,
	.unlocked_ioctl = dmirror_ioctl,
};

static void device_fini(struct device_of_tests *d)
{
	if (!d->is_there)
		return;
	misc_deregister(&d->misc);
	uhmmk_pagemap_close(&d->pm);
	uhmmk_pagemap_evict(&d->pm);
	uhmmk_pagemap_remove(&d->pm);
}

/* Leave a device out that this kernel or machine cannot have. */
static int device_init(struct device_of_tests *d, unsigned int i)
{
	enum uhmmk_type type = i < 2 ? UHMMK_PRIVATE : UHMMK_COHERENT;
	phys_addr_t phys = i < 2 ? 0 : spm[i - 2];
	int ret;

	if (type == UHMMK_COHERENT && !phys)
		return 0;
	d->pm.module = THIS_MODULE;
	ret = uhmmk_pagemap_add(&d->pm, type, NPAGES, phys, d);
	if (ret)
		return ret == -EOPNOTSUPP ? 0 : ret;
	snprintf(d->name, sizeof(d->name), "hmm_dmirror%u", i);
	d->misc.minor = MISC_DYNAMIC_MINOR;
	d->misc.name = d->name;
	d->misc.fops = &fops;
	d->misc.mode = 0600;
	ret = misc_register(&d->misc);
	if (ret)
		uhmmk_pagemap_remove(&d->pm);
	d->is_there = !ret;
	return ret;
}

static void dmirror_exit(void)
{
	unsigned int i;

	for (i = 0; i < NR_DEVICES; i++)
		device_fini(&devices[i]);
}

static int __init dmirror_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < NR_DEVICES; i++) {
		ret = device_init(&devices[i], i);
		if (ret) {
			dmirror_exit();
			return ret;
		}
	}
	return 0;
}

static void __exit dmirror_end(void)
{
	dmirror_exit();
}

module_init(dmirror_init);
module_exit(dmirror_end);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("The ABI of Linux's selftests for HMM, on uhmm");
