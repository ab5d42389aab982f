// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * main.c - /dev/uhmm: files and their calls.
 *
 * A file gets its device once and keeps it: @device is written under @lock and
 * read without.  No part of a call's argument is read twice.
 */
#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "look.h"
#include "move.h"

struct uhmmk_file {
	struct mutex lock; /* protects the members below */
	struct uhmmk_device *device;
	bool is_owner;
};

static struct uhmmk_device *device_of(struct uhmmk_file *f)
{
	/* Pairs with set_device(). */
	return smp_load_acquire(&f->device);
}

static void set_device(struct uhmmk_file *f, struct uhmmk_device *d)
{
	/* Pairs with device_of(): a device that a reader sees is complete. */
	smp_store_release(&f->device, d);
}

static int check_range(u64 addr, u64 npages)
{
	if (!PAGE_ALIGNED(addr) || !npages)
		return -EINVAL;
	if (addr >= TASK_SIZE || npages > (TASK_SIZE - addr) >> PAGE_SHIFT)
		return -EINVAL;
	return 0;
}

/* ---- Devices ---- */

static long add_locked(struct uhmmk_file *f, struct uhmmk_add *a)
{
	struct uhmmk_device *d;

	if (f->device)
		return -EBUSY;
	if (a->flags == UHMMK_RING)
		d = uhmmk_device_add_ring(a->npages, a->slots, a->timeout_ms);
	else
		d = uhmmk_device_add(a->type, a->npages, a->phys);
	if (IS_ERR(d))
		return PTR_ERR(d);
	a->id = d->id;
	a->npages = d->pm.npages;
	a->area = d->pm.ring ? d->pm.ring->area_size : 0;
	f->is_owner = true;
	set_device(f, d);
	return 0;
}

static bool has_valid_flags(const struct uhmmk_add *a)
{
	if (a->type == UHMMK_PRIVATE && a->flags == UHMMK_RING)
		return !a->phys && !a->area;
	return a->flags ==
		       (a->type == UHMMK_PRIVATE ? UHMMK_KERNEL_STORE : 0) &&
	       !a->slots && !a->timeout_ms && !a->area;
}

static long add(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_add *a = arg;
	long ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (a->type != UHMMK_PRIVATE && a->type != UHMMK_COHERENT)
		return -EINVAL;
	if (!has_valid_flags(a) || a->npages > ULONG_MAX >> PAGE_SHIFT)
		return -EINVAL;
	mutex_lock(&f->lock);
	ret = add_locked(f, a);
	mutex_unlock(&f->lock);
	return ret;
}

static long attach(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_attach *a = arg;
	long ret = -EBUSY;

	mutex_lock(&f->lock);
	if (!f->device) {
		struct uhmmk_device *d = uhmmk_device_find(a->id);

		ret = d ? 0 : -ENODEV;
		set_device(f, d);
	}
	mutex_unlock(&f->lock);
	return ret;
}

/* ---- Memory ---- */

static long move_once(struct uhmmk_run *run, u64 at, u64 end)
{
	int ret;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	ret = uhmmk_run_move(run, current->mm, at, end);
	mmap_read_unlock(current->mm);
	return ret;
}

/* A driver that was asked keeps its time, and then the device is lost. */
static long wait_for_driver(struct uhmmk_run *run)
{
	long ret = 0;

	if (run->waits) {
		ret = uhmmk_ring_wait(run->waits->pm.ring, run->waits_for,
				      false);
		uhmmk_device_put(run->waits);
		run->waits = NULL;
	}
	return ret == -ERESTARTSYS ? -EINTR : 0;
}

/* Pages that a driver has come in a later turn than those in slots. */
static long move_home(struct uhmmk_run *run, struct uhmmk_move *m, u64 at,
		      u64 end)
{
	DECLARE_BITMAP(moved, UHMMK_RUN) = {};
	unsigned long i;
	bool waits;
	long ret;

	do {
		ret = move_once(run, at, end);
		if (ret)
			return ret;
		m->moved += run->nr_moved;
		for (i = 0; i < run->npages; i++)
			if (uhmmk_run_has_moved(run, i))
				__set_bit(i, moved);
			else if (test_bit(i, moved))
				run->why[i] = UHMMK_MOVED;
		waits = run->waits;
		ret = wait_for_driver(run);
	} while (waits && !ret);
	return ret;
}

/* No slot will be free: the pages stay where they are. */
static void say_full(struct uhmmk_run *run, u64 at, unsigned long npages)
{
	run->npages = npages;
	run->nr_moved = 0;
	run->args.end = at + npages * PAGE_SIZE;
	memset(run->why, UHMMK_FULL, npages);
}

/* Slots are reserved before any lock is taken. */
static long move_out(struct uhmmk_run *run, struct uhmmk_move *m, u64 at,
		     u64 end)
{
	struct uhmmk_ring *r = run->pm->ring;
	unsigned long want = min_t(u64, (end - at) >> PAGE_SHIFT, UHMMK_RUN);
	int got = want;
	long ret;

	if (r && READ_ONCE(r->driver) == current->tgid)
		return -EDEADLK;
	if (r)
		got = uhmmk_ring_reserve(r, want);
	if (got < 0)
		return got == -ERESTARTSYS ? -EINTR : got;
	if (!got) {
		say_full(run, at, want);
		return 0;
	}
	run->nr_got = 0;
	ret = move_once(run, at, at + got * PAGE_SIZE);
	if (!ret)
		m->moved += run->nr_moved;
	if (r) {
		uhmmk_ring_unreserve(r, got - run->nr_got);
		uhmmk_ring_kick(r);
	}
	return ret;
}

static long move_run(struct uhmmk_run *run, struct uhmmk_move *m, u64 at,
		     u64 end)
{
	u8 __user *why = u64_to_user_ptr(m->why);
	long ret = run->is_home ? move_home(run, m, at, end) :
				  move_out(run, m, at, end);

	if (ret)
		return ret;
	if (why && copy_to_user(why + ((at - m->addr) >> PAGE_SHIFT), run->why,
				run->npages))
		return -EFAULT;
	return 0;
}

static long move_all(struct uhmmk_run *run, struct uhmmk_move *m)
{
	u64 at, end = m->addr + (m->npages << PAGE_SHIFT);
	long ret = 0;

	for (at = m->addr; at < end && !ret; at = run->args.end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = move_run(run, m, at, end);
		cond_resched();
	}
	return ret;
}

static long move(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_device *d = device_of(f);
	struct uhmmk_move *m = arg;
	struct uhmmk_run *run;
	long ret;

	m->moved = 0;
	if (m->flags || m->pad || check_range(m->addr, m->npages) ||
	    (m->to != UHMMK_RAM && m->to != d->id))
		return -EINVAL;
	run = kzalloc(sizeof(*run), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->pm = &d->pm;
	run->is_home = m->to == UHMMK_RAM;
	ret = move_all(run, m);
	atomic64_add(m->moved, run->is_home ? &d->home : &d->out);
	kfree(run);
	return ret;
}

static long look(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_look *l = arg;

	if (l->flags || check_range(l->addr, l->npages))
		return -EINVAL;
	return uhmmk_look(l->addr, l->npages, u64_to_user_ptr(l->on));
}

static long evict(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_evict *e = arg;

	if (!f->is_owner)
		return -EPERM;
	if (e->flags & ~UHMMK_RETIRE)
		return -EINVAL;
	if (e->flags & UHMMK_RETIRE)
		uhmmk_pagemap_retire(&device_of(f)->pm);
	e->left = uhmmk_pagemap_evict(&device_of(f)->pm);
	return 0;
}

static long lose(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_lose *l = arg;

	if (!f->is_owner)
		return -EPERM;
	if (l->flags)
		return -EINVAL;
	return uhmmk_pagemap_lose(&device_of(f)->pm);
}

static long stat(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_device *d = device_of(f);
	struct uhmmk_stat *s = arg;

	if (s->flags)
		return -EINVAL;
	*s = (struct uhmmk_stat){
		.size = s->size,
		.id = d->id,
		.type = d->type,
		.npages = d->pm.npages,
		.used = READ_ONCE(d->pm.nr_used),
		.out = atomic64_read(&d->out),
		.home = atomic64_read(&d->home),
		.faults = atomic64_read(&d->pm.faults),
		.retries = atomic64_read(&d->pm.retries),
	};
	if (d->pm.ring)
		uhmmk_ring_stat(d->pm.ring, s);
	return 0;
}

static long serve(struct uhmmk_file *f, void *arg)
{
	struct uhmmk_device *d = device_of(f);
	struct uhmmk_serve *s = arg;

	if (!f->is_owner)
		return -EPERM;
	if (s->flags || s->pad || !d->pm.ring)
		return -EINVAL;
	return uhmmk_ring_serve(d->pm.ring, s->timeout_ms);
}

/* ---- Calls ---- */

/* @size: the size of the struct's first version, and the least accepted. */
static const struct call {
	unsigned int cmd;
	size_t size, known;
	bool wants_device;
	long (*run)(struct uhmmk_file *f, void *arg);
} calls[] = {
	{ UHMMK_ADD, 32, sizeof(struct uhmmk_add), false, add },
	{ UHMMK_ATTACH, 8, sizeof(struct uhmmk_attach), false, attach },
	{ UHMMK_MOVE, 48, sizeof(struct uhmmk_move), true, move },
	{ UHMMK_LOOK, 32, sizeof(struct uhmmk_look), true, look },
	{ UHMMK_EVICT, 16, sizeof(struct uhmmk_evict), true, evict },
	{ UHMMK_STAT, 64, sizeof(struct uhmmk_stat), true, stat },
	{ UHMMK_LOSE, 8, sizeof(struct uhmmk_lose), true, lose },
	{ UHMMK_SERVE, 16, sizeof(struct uhmmk_serve), true, serve },
};

union argument {
	u32 size;
	struct uhmmk_add add;
	struct uhmmk_attach attach;
	struct uhmmk_move move;
	struct uhmmk_look look;
	struct uhmmk_evict evict;
	struct uhmmk_stat stat;
	struct uhmmk_lose lose;
	struct uhmmk_serve serve;
};

static const struct call *find_call(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].cmd == cmd)
			return &calls[i];
	return NULL;
}

/* Return: the size that the program passed, or an error. */
static long get_argument(const struct call *call, union argument *ret_arg,
			 void __user *from)
{
	long ret;
	u32 size;

	if (get_user(size, (u32 __user *)from))
		return -EFAULT;
	if (size < call->size || size > PAGE_SIZE)
		return -EINVAL;
	ret = copy_struct_from_user(ret_arg, call->known, from, size);
	if (ret)
		return ret;
	ret_arg->size = size;
	return size;
}

/* Write results after an error, too: they say how many pages had moved. */
static long uhmmk_ioctl(struct file *file, unsigned int cmd, unsigned long to)
{
	struct uhmmk_file *f = file->private_data;
	const struct call *call = find_call(cmd);
	void __user *user = (void __user *)to;
	union argument arg = {};
	long size, ret;

	if (!call)
		return -ENOTTY;
	size = get_argument(call, &arg, user);
	if (size < 0)
		return size;
	if (call->wants_device && !device_of(f))
		return -ENXIO;
	ret = call->run(f, &arg);
	if (copy_to_user(user, &arg, min_t(size_t, size, call->known)))
		return -EFAULT;
	return ret;
}

static int uhmmk_open(struct inode *inode, struct file *file)
{
	struct uhmmk_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	file->private_data = f;
	return 0;
}

static int uhmmk_release(struct inode *inode, struct file *file)
{
	struct uhmmk_file *f = file->private_data;

	if (f->device && f->is_owner)
		uhmmk_device_close(f->device);
	else if (f->device)
		uhmmk_device_put(f->device);
	kfree(f);
	return 0;
}

static int uhmmk_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct uhmmk_file *f = file->private_data;
	struct uhmmk_device *d = device_of(f);

	if (!d || !f->is_owner || !d->pm.ring)
		return -ENXIO;
	return uhmmk_ring_mmap(d->pm.ring, vma);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.mmap = uhmmk_mmap,
	.open = uhmmk_open,
	.release = uhmmk_release,
	.unlocked_ioctl = uhmmk_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "uhmm",
	.mode = 0600,
	.fops = &fops,
};

static int __init uhmmk_init(void)
{
	int ret = uhmmk_devices_init();

	if (ret)
		return ret;
	ret = misc_register(&misc);
	if (ret)
		uhmmk_devices_exit();
	return ret;
}

static void __exit uhmmk_exit(void)
{
	misc_deregister(&misc);
	uhmmk_devices_exit();
}

module_init(uhmmk_init);
module_exit(uhmmk_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Device memory that is pages of the kernel");
