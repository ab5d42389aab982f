/* SPDX-License-Identifier: MIT */
/*
 * mirror_fault.c - pages are entered in a device's page table.
 *
 * One block at a time: mirror_look.c looks at what is there, under the block's
 * lock.  If a page has to be faulted in, fault it in without locks, as if the
 * CPU had touched it, and look again.  Enter what was found if nothing was
 * invalidated since.
 */
#include <errno.h>

#include "core/context/context.h"
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

/* What the CPU would do, for a managed page. */
static int fault_managed(struct walk *w, uintptr_t va)
{
	bool write = w->flags & UHMM_FAULT_WRITE;
	unsigned flags = MM_FAULT_MAY_BLOCK | (write ? MM_FAULT_WRITE : 0);

	if (page_state(w->word) == P_CLEAN && write)
		flags |= MM_FAULT_WP;
	return core_fault(w->m->u, va, flags) == MM_SIGBUS ? -EFAULT : 0;
}

/* Pages that are at their address, but for the right to write to them. */
static bool are_present(const struct walk *w)
{
	return w->look[w->n] & MM_LOOK_PRESENT &&
	       page_state(w->word) != P_CLEAN;
}

static int populate(struct walk *w, uintptr_t va, size_t npages)
{
	struct uhmm *u = w->m->u;
	int err = u->mm->ops->populate(u->mm, va, npages,
				       w->flags & UHMM_FAULT_WRITE);

	/* gone meanwhile, or about to be: the next look shows it */
	return err == -ENOMEM || err == -EFAULT || err == -EAGAIN ? 0 : err;
}

/* A page that others can reach in place cannot be exclusive: bring it home. */
static int bring_home(struct walk *w)
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
	return err;
}

static int try_exclusive(struct walk *w, struct block *b,
			 const struct mm_set *want)
{
	struct uhmm *u = w->m->u;
	int err;

	gate_enter(u);
	err = exclusive_take(u, b, want, w->m->id);
	gate_leave(u);
	return err;
}

/* What a fork(2) left behind is refused at first; see migrate_forked(). */
static int take_exclusive(struct walk *w)
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

/*
 * Was it taken in, and then unregistered or mapped anew by another thread?
 * Then the next look finds it managed.
 */
static int take_in_again(struct walk *w, uintptr_t va)
{
	int err = range_take_in(w->m->u, va, va + MM_PAGE_SIZE, true);

	return err == -EBUSY ? -EOPNOTSUPP : err;
}

/* The first page that could not be entered, and perhaps some after it. */
static int fault_in_pages(struct walk *w)
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
	return take_exclusive(w);
}

/* ---- Entering --------------------------------------------------------- */

/* Return: 0, -EAGAIN when something was invalidated since @seq. */
static int enter_pages(struct walk *w, uint64_t seq)
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

/* Wait until announced changes are done.  Return: what to compare later. */
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
 * Pages go away while others are brought: there is no room in RAM for all of
 * them at once.  From then on what is there is entered before more is brought.
 */
static bool is_scarce(struct walk *w)
{
	if (w->n < w->before)
		w->scarce = true;
	w->before = w->n;
	return w->n && w->scarce;
}

/* Return: 0 when that were all of the block's, -EAGAIN, -errno. */
static int enter_and_go_on(struct walk *w, uint64_t seq)
{
	int err = enter_pages(w, seq);

	if (err || w->err)
		return err ? err : w->err;
	w->start += w->n * MM_PAGE_SIZE;
	w->before = 0;
	return w->start < w->end ? -EAGAIN : 0;
}

/* One try.  Return: 0 when done, -EAGAIN to be done again, -errno. */
static int try_mirror_part(void *arg)
{
	struct walk *w = arg;
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

static int fault_part(struct walk *w)
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
	struct walk w = { .m = m, .start = addr, .flags = flags };
	uintptr_t end = addr + len;
	int err = 0;

	if (!is_in_mirror(m, addr, end))
		return -EINVAL;
	/* Only so that events are reported: what cannot be, is mirrored too. */
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
