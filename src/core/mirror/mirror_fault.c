/* SPDX-License-Identifier: MIT */
/*
 * mirror_fault.c - enter pages in a device's page table.
 *
 * One block at a time: mirror_look.c looks at the pages, under the block's
 * lock. If a page has to be faulted in, fault it in without locks, as if the
 * CPU had touched the page, and look again.  Enter the pages if none was
 * invalidated since.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/device.h"
#include "core/fault/fault.h"
#include "core/fork/gate.h"
#include "core/mirror/mirror_api.h"
#include "core/mirror/walk.h"
#include "core/move/exclusive.h"
#include "core/move/home.h"
#include "core/move/range.h"
#include "core/notify/mirror.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

/* ---- Faulting in ------------------------------------------------------ */

/* Fault as the CPU would, on a managed page. */
static int fault_managed(struct mirror_walk *w, uintptr_t va)
{
	bool write = w->flags & UHMM_FAULT_WRITE;
	unsigned flags = MM_FAULT_MAY_BLOCK | (write ? MM_FAULT_WRITE : 0);

	if (page_state(w->word) == P_CLEAN && write)
		flags |= MM_FAULT_WP;
	return core_fault(w->m->u, va, flags) == MM_SIGBUS ? -EFAULT : 0;
}

/* Do the pages lack nothing but the right to write? */
static bool are_present(const struct mirror_walk *w)
{
	return w->look[w->n] & MM_LOOK_PRESENT &&
	       page_state(w->word) != P_CLEAN;
}

static int populate(struct mirror_walk *w, uintptr_t va, size_t npages)
{
	struct uhmm *u = w->m->u;
	int err = u->mm->ops->populate(u->mm, va, npages,
				       w->flags & UHMM_FAULT_WRITE);

	/* the page has gone or is about to go: the next look shows that */
	return err == -ENOMEM || err == -EFAULT || err == -EAGAIN ? 0 : err;
}

/* Lost, or somewhere else by now? */
static bool has_moved_on(const struct mirror_walk *w)
{
	struct uhmm *u = w->m->u;
	struct block *b = block_find(u, w->start);
	uint64_t word;

	block_lock(b);
	word = block_word(b, page_index(w->start) + w->n);
	block_unlock(u, b);
	return word != w->word ||
	       device_has_lost(device_get(u, page_dev(word)), page_dpfn(word));
}

/* Bring home a page that others can use in place, to make it exclusive. */
static int bring_home(struct mirror_walk *w)
{
	struct uhmm *u = w->m->u;
	struct block *b = block_find(u, w->start);
	struct mm_set want;
	int err;

	set_clear(&want);
	set_add(&want, page_index(w->start) + w->n);
	gate_enter(u);
	block_take_mover(u, b);
	err = home_block(u, b, &want, NULL, HOME_MIGRATE, NULL);
	block_let_go(u, b);
	gate_leave(u);
	return err == -EIO && has_moved_on(w) ? 0 : err; /* look again */
}

static int try_exclusive(struct mirror_walk *w, struct block *b,
			 const struct mm_set *want)
{
	struct uhmm *u = w->m->u;
	int err;

	gate_enter(u);
	err = exclusive_take(u, b, want, w->m->id);
	gate_leave(u);
	return err;
}

/* A page that a fork(2) shares is refused at first: see migrate_forked(). */
static int take_exclusive(struct mirror_walk *w)
{
	struct uhmm *u = w->m->u;
	struct block *b = block_get(u, w->start);
	unsigned first = page_index(w->start);
	struct mm_set want;
	int err;

	if (!b)
		return -ENOMEM;
	set_clear(&want);
	set_add_run(&want, first + w->n, first + nr_pages(w));
	dropped_wait(u, b, &want);
	err = try_exclusive(w, b, &want);
	if (err == -EBUSY && u->mm->ops->unshare) {
		u->mm->ops->unshare(u->mm, b->va, &want);
		err = try_exclusive(w, b, &want);
	}
	return err == -EAGAIN ? 0 : err;
}

/* Take a page in again that another thread has unregistered or mapped anew. */
static int take_in_again(struct mirror_walk *w, uintptr_t va)
{
	int err = range_take_in(w->m->u, va, va + MM_PAGE_SIZE, true);

	return err == -EBUSY ? -EOPNOTSUPP : err;
}

/* Fault in the first page that cannot be entered, and some after it. */
static int fault_in_pages(struct mirror_walk *w)
{
	uintptr_t va = w->start + w->n * MM_PAGE_SIZE;
	bool managed = region_covers(w->m->u, va, va + MM_PAGE_SIZE);
	bool write = w->flags & UHMM_FAULT_WRITE;

	if (w->flags & UHMM_FAULT_EXCLUSIVE && !managed)
		return take_in_again(w, va);
	if (!managed)
		return populate(w, va, nr_pages(w) - w->n);
	if (w->flags & UHMM_FAULT_EXCLUSIVE &&
	    page_state(w->word) == P_COHERENT)
		return bring_home(w);
	if (!are_present(w))
		return fault_managed(w, va);
	if (write && !(w->look[w->n] & MM_LOOK_WRITABLE))
		return populate(w, va, 1);
	if (!(w->flags & UHMM_FAULT_EXCLUSIVE)) /* about to be replaced */
		return fault_managed(w, va);
	return take_exclusive(w);
}

/* ---- Entering --------------------------------------------------------- */

/* Return: 0, -EAGAIN when a page was invalidated since @seq. */
static int enter_pages(struct mirror_walk *w, uint64_t seq)
{
	struct uhmm_mirror *m = w->m;
	int err = 0;

	if (!w->n)
		return 0;
	mirror_lock(m);
	if (atomic_load(&m->gone))
		err = -ENODEV;
	else if (atomic_load(&m->seq) != seq || atomic_load(&m->changing))
		err = -EAGAIN;
	if (!err) {
		err = mirror_map(m, w->start, w->pfn, w->n);
		err = err == -EAGAIN ? -EBUSY : err;
	}
	sys_mutex_unlock(&m->lock);
	return err;
}

/*
 * Wait until announced changes are done.  Return: the sequence number that
 * enter_pages() compares.
 */
static uint64_t begin(struct uhmm_mirror *m)
{
	struct sys_wait w = { .all = &m->u->waits,
			      .what = "uhmm_notify_end()" };
	uint64_t seq;

	for (;;) {
		uint32_t changing;

		seq = atomic_load(&m->seq);
		changing = atomic_load(&m->changing);
		if (!changing || atomic_load(&m->gone))
			break;
		sys_wait_open(&w, &m->changing, changing, 0);
	}
	sys_wait_end(&w);
	return seq;
}

/*
 * Do pages leave while others are brought in, because RAM has no room for all
 * at once?  From then on present pages are entered before more are brought.
 */
static bool is_scarce(struct mirror_walk *w)
{
	if (w->n < w->before)
		w->scarce = true;
	w->before = w->n;
	return w->n && w->scarce;
}

/* Return: 0 when the block is done, -EAGAIN when pages are left, -errno. */
static int enter_and_go_on(struct mirror_walk *w, uint64_t seq)
{
	int err = enter_pages(w, seq);

	if (err || w->err)
		return err ? err : w->err;
	w->start += w->n * MM_PAGE_SIZE;
	w->before = 0;
	return w->start < w->end ? -EAGAIN : 0;
}

/* One attempt.  Return: 0 when done, -EAGAIN to be called again, -errno. */
static int try_mirror_part(void *arg)
{
	struct mirror_walk *w = arg;
	uint64_t seq = begin(w->m);
	int err;

	if (atomic_load(&w->m->gone))
		return -ENODEV;
	err = walk_collect(w);
	if (err)
		return err;
	if (w->n == nr_pages(w) || w->err || is_scarce(w))
		return enter_and_go_on(w, seq);
	err = fault_in_pages(w);
	return err ? err : -EAGAIN;
}

static int fault_part(struct mirror_walk *w)
{
	struct sys_wait wait = { .all = &w->m->u->waits,
				 .what = "pages that can be entered at",
				 .at = w->start };

	return fault_until_done(&wait, try_mirror_part, w);
}

/* ---- Ranges ----------------------------------------------------------- */

int do_mirror_fault(struct uhmm_mirror *m, uintptr_t addr, size_t len,
		    unsigned flags)
{
	struct mirror_walk w = { .m = m, .start = addr, .flags = flags };
	uintptr_t end = addr + len;
	int err = 0;

	if (!is_in_mirror(m, addr, end))
		return -EINVAL;
	/*
	 * Register for events; memory that cannot be registered is mirrored,
	 * too.
	 */
	if (!(flags & UHMM_FAULT_PRESENT))
		range_take_in(m->u, addr, end, false);
	while (w.start < end && !err) {
		w.end = block_part_end(w.start, end);
		err = fault_part(&w);
		w.start = w.end;
		if (w.start < end)
			sys_call_open();
	}
	return err;
}
