// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * wait.c - waiting for the driver.
 *
 * A touch that needs the driver waits, as far up as it can:
 *
 * 1. A fault of user mode returns, and the thread waits on its way back to user
 *    mode.  It holds nothing, not even the reference to the page that would
 *    keep others from moving it.  Then it faults again.
 * 2. Another fault that may be repeated waits without mmap_lock, as with
 *    userfaultfd, and without the page's lock.
 * 3. The rest, as /proc/PID/mem and core dumps, wait under mmap_lock, for a
 *    limited time, and get SIGBUS after it.
 *
 * All waits end by SIGKILL.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "compat.h"
#include "device.h"
#include "ring.h"

/* Has the driver been silent for the ring's timeout?  Then it is dead. */
static bool give_up(struct uhmmk_ring *r, unsigned long since)
{
	spin_lock_irq(&r->lock);
	if (time_after(r->progress, since))
		since = r->progress;
	if (!r->dead && r->nr_sent &&
	    time_after_eq(jiffies, since + r->timeout)) {
		pr_warn_ratelimited("uhmm: a driver is silent: device lost\n");
		uhmmk_ring_die(r);
	}
	spin_unlock_irq(&r->lock);
	return READ_ONCE(r->dead);
}

static bool is_settled(struct uhmmk_ring *r, unsigned long index)
{
	bool ret = true;

	spin_lock_irq(&r->lock);
	if (r->pages[index].state == UHMMK_PAGE_FETCHING)
		ret = false;
	else if (r->pages[index].state == UHMMK_PAGE_STORED)
		ret = r->dead || r->nr_free > r->nr_reserved ||
		      uhmmk_slot_reclaim(r);
	spin_unlock_irq(&r->lock);
	return ret;
}

int uhmmk_ring_wait(struct uhmmk_ring *r, unsigned long index,
		    bool is_interruptible)
{
	unsigned long since = jiffies;
	long left;

	uhmmk_ring_kick(r);
	do {
		if (is_interruptible)
			left = wait_event_interruptible_timeout(
				r->clients, is_settled(r, index), r->timeout);
		else
			left = wait_event_killable_timeout(
				r->clients, is_settled(r, index), r->timeout);
	} while (!left && !give_up(r, since));
	if (left > 0)
		return 0;
	return left ?: -ETIMEDOUT;
}

/* ---- Slots for pages that go out ---- */

/* Pages that were freed can be handed out again when the driver knows it. */
static bool is_full_for_now(struct uhmmk_ring *r)
{
	if (READ_ONCE(r->pm->nr_taken) < r->pm->npages ||
	    !(r->nr_freeing + r->nr_orphans))
		return false;
	r->frees_wanted = true;
	return true;
}

/* Return: false: wait.  *@ret: the result of uhmmk_ring_reserve(). */
static bool grant(struct uhmmk_ring *r, int want, int *ret)
{
	bool is_idle, is_full;
	int nr;

	spin_lock_irq(&r->lock);
	is_full = is_full_for_now(r);
	nr = (int)(r->nr_free - r->nr_reserved - r->nr_slots / 4);
	while (!is_full && nr < want && uhmmk_slot_reclaim(r))
		nr++;
	nr = is_full ? 0 : clamp(nr, 0, want);
	is_idle = !r->nr_sent && !r->pending.npages && !r->nr_reserved &&
		  !is_full;
	*ret = r->dead ? -ENODEV : nr;
	if (*ret > 0)
		r->nr_reserved += nr;
	spin_unlock_irq(&r->lock);
	return *ret || is_idle;
}

int uhmmk_ring_reserve(struct uhmmk_ring *r, unsigned int want)
{
	unsigned long since = jiffies;
	long left;
	int ret;

	if (grant(r, want, &ret))
		return ret;
	do {
		uhmmk_ring_kick(r);
		left = wait_event_killable_timeout(
			r->clients, grant(r, want, &ret), r->timeout);
	} while (!left && !give_up(r, since));
	if (left > 0)
		return ret;
	return left ?: -ETIMEDOUT;
}

void uhmmk_ring_unreserve(struct uhmmk_ring *r, unsigned int nr)
{
	spin_lock_irq(&r->lock);
	r->nr_reserved -= nr;
	spin_unlock_irq(&r->lock);
	wake_up_all(&r->clients);
}

/* ---- Touches ---- */

struct on_return {
	struct callback_head work;
	struct uhmmk_device *device;
	unsigned long index;
};

static void wait_on_return(struct callback_head *work)
{
	struct on_return *w = container_of(work, struct on_return, work);

	uhmmk_ring_wait(w->device->pm.ring, w->index, true);
	uhmmk_device_put(w->device);
	kfree(w);
	module_put(THIS_MODULE);
}

/* The thread keeps the device until it has waited; its page may go. */
static bool defer(struct uhmmk_device *d, unsigned long index)
{
	struct on_return *w = kmalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return false;
	w->device = d;
	w->index = index;
	init_task_work(&w->work, wait_on_return);
	kref_get(&d->ref);
	__module_get(THIS_MODULE);
	if (!task_work_add(current, &w->work, TWA_RESUME)) {
		uhmmk_ring_kick(d->pm.ring);
		return true;
	}
	uhmmk_device_put(d);
	kfree(w);
	module_put(THIS_MODULE);
	return false;
}

/* The caller's reference to the page keeps the device. */
static vm_fault_t wait_unlocked(struct uhmmk_ring *r, struct vm_fault *vmf,
				unsigned long index)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	bool is_interruptible = vmf->flags & FAULT_FLAG_INTERRUPTIBLE;
	struct page *page = vmf->page;

	compat_fault_page_unlock(page);
	mmap_read_unlock(mm);
	uhmmk_ring_wait(r, index, is_interruptible);
	compat_fault_page_lock(page);
	return VM_FAULT_RETRY;
}

static vm_fault_t wait_locked(struct uhmmk_ring *r, struct vm_fault *vmf,
			      unsigned long index)
{
	struct page *page = vmf->page;
	long left;

	uhmmk_ring_kick(r);
	compat_fault_page_unlock(page);
	left = wait_event_killable_timeout(r->clients, is_settled(r, index),
					   r->timeout);
	compat_fault_page_lock(page);
	return left > 0 ? 0 : VM_FAULT_SIGBUS;
}

static bool may_retry(const struct vm_fault *vmf)
{
	return (vmf->flags & FAULT_FLAG_ALLOW_RETRY) &&
	       !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

/* The driver's other threads are dead when it dumps core, or exits. */
static bool would_wait_for_itself(struct uhmmk_ring *r)
{
	return READ_ONCE(r->driver) == current->tgid &&
	       (current->flags & (PF_DUMPCORE | PF_EXITING));
}

vm_fault_t uhmmk_fault_wait(struct vm_fault *vmf)
{
	struct uhmmk_device *d = uhmmk_page_device(vmf->page);
	unsigned long index = page_to_pfn(vmf->page) - d->pm.pfn;
	struct uhmmk_ring *r = d->pm.ring;

	if (would_wait_for_itself(r))
		return VM_FAULT_SIGBUS;
	uhmmk_ring_fetch_ahead(r, index);
	if (vmf->flags & FAULT_FLAG_USER && defer(d, index)) {
		atomic64_inc(&r->waits);
		return 0;
	}
	if (may_retry(vmf)) {
		atomic64_inc(&r->waits);
		return wait_unlocked(r, vmf, index);
	}
	atomic64_inc(&r->locked_waits);
	return wait_locked(r, vmf, index);
}
