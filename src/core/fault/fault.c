/* SPDX-License-Identifier: MIT */
/*
 * fault.c - a CPU touch of a page that is not there.
 *
 * The block's lock, one look at the page's word, and what it asks for.  A
 * fault never waits for another block, and not for a copy to a device either:
 * a page that is leaving is mapped again from its frame.  It waits for a copy
 * home that is under way, and for room when the limit on RAM is reached.
 *
 * A fault where the last one ended is a stream: its window, the pages that are
 * resolved at once, doubles up to 256 KiB and is carried on to the next block;
 * any other fault begins anew with one page, or with a few of a file.  Advice
 * of the program (advise.c) goes before what the faults tell.
 */
#include <errno.h>

#include <uhmm/advise.h>

#include "core/charge/charge.h"
#include "core/charge/room.h"
#include "core/coherent/coherent.h"
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/hist.h"
#include "core/context/kick.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fault/fault.h"
#include "core/move/clean.h"
#include "core/move/exclusive.h"
#include "core/move/home.h"
#include "core/move/out_steps.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define MAX_WINDOW  64
#define FILE_WINDOW 16

/* ---- Streams ---------------------------------------------------------- */

/* Hints are also read of a neighbour block without its lock. */
static unsigned next_fault(const struct block *b)
{
	return atomic_load_explicit(&b->next_fault, memory_order_relaxed);
}

static unsigned last_window(const struct block *b)
{
	return atomic_load_explicit(&b->window, memory_order_relaxed);
}

/* The window that a stream had when it left the block before. */
static unsigned inherited_window(struct uhmm *u, const struct block *b)
{
	const struct block *prev = block_find(u, b->va - 1);

	if (!prev || next_fault(prev) != MM_BLOCK_PAGES)
		return 1;
	return last_window(prev);
}

/*
 * The advice of the program decides first.  Memory that no thread has
 * touched is not there yet: it comes as if nothing was said.
 */
static unsigned next_window(struct uhmm *u, const struct block *b, unsigned i)
{
	enum uhmm_advice order = hint_at(&b->order, i);
	unsigned window = 1;

	if (order == UHMM_ADVICE_RANDOM)
		return 1;
	if (order == UHMM_ADVICE_SEQUENTIAL &&
	    !page_has(block_word(b, i), PAGE_PLAIN))
		return MAX_WINDOW;
	if (i == 0)
		window = inherited_window(u, b);
	else if (i == next_fault(b))
		window = last_window(b);
	else
		return 1;
	return window * 2 > MAX_WINDOW ? MAX_WINDOW : window * 2;
}

/* Pages from @i, at most @max, in the same state and on the same device. */
static unsigned same_run(const struct block *b, unsigned i, unsigned max)
{
	uint64_t kind = block_word(b, i) & 0xffff;
	unsigned n = 1;

	while (n < max && i + n < MM_BLOCK_PAGES &&
	       (block_word(b, i + n) & 0xffff) == kind)
		n++;
	return n;
}

/* Map a block as one huge page if it left as one and is being streamed. */
static bool want_huge(const struct block *b, unsigned i, unsigned window)
{
	return b->huge && i == 0 && window == MAX_WINDOW &&
	       same_run(b, 0, MM_BLOCK_PAGES) == MM_BLOCK_PAGES;
}

/* How many pages from @i to resolve at once.  Caller holds the lock. */
static unsigned fault_window(struct uhmm *u, struct block *b, unsigned i)
{
	unsigned window = next_window(u, b, i);
	unsigned n;

	n = want_huge(b, i, window) ? MM_BLOCK_PAGES : same_run(b, i, window);
	atomic_store_explicit(&b->window, (uint16_t)window,
			      memory_order_relaxed);
	atomic_store_explicit(&b->next_fault, (uint16_t)(i + n),
			      memory_order_relaxed);
	return n;
}

/* ---- What to do ------------------------------------------------------- */

static bool is_counted(struct uhmm *u)
{
	return atomic_load_explicit(&u->charge.on, memory_order_relaxed);
}

/* Not managed, and of a kind that cannot be. */
static bool is_other(struct uhmm *u, uintptr_t va)
{
	struct mm_extent e;

	return !region_covers(u, va, va + MM_PAGE_SIZE) &&
	       u->mm->ops->survey(u->mm, va, va + MM_PAGE_SIZE, &e, 1) == 1 &&
	       e.kind == MM_UNSUPPORTED;
}

/*
 * mremap(2) with MREMAP_DONTUNMAP takes along a page that was used in place,
 * and leaves the device's memory mapped at the old address.  The kernel offers
 * no way to put zeroes there.  Other addresses that are not managed can be
 * filled, or have a page.
 *
 * A file that the program has just mapped at the address looks the same, but is
 * not registered: the kernel refuses zeroes for another reason.
 */
static bool is_left_behind(struct uhmm *u, uintptr_t va)
{
	return is_other(u, va) &&
	       u->mm->ops->zero(u->mm, va, 1, false) == -EEXIST &&
	       is_other(u, va);
}

/* Zeroes could not be put at @va, for -EEXIST or another error.  Unlocked. */
static enum mm_outcome no_zeroes(struct uhmm *u, uintptr_t va, ssize_t got)
{
	count_add(&u->count.spurious, 1);
	if (got != -EEXIST || !is_left_behind(u, va))
		return MM_RETRY;
	if (!u->mm->ops->poison(u->mm, va, 1))
		sys_logf(
			&u->log, SYS_ERR,
			"page %#lx moved by MREMAP_DONTUNMAP from where it was "
			"used in place: SIGBUS",
			(unsigned long)va);
	return MM_SIGBUS;
}

/* Map zeroes, at once for all pages that a stream will touch next. */
static enum mm_outcome zero_fault_unlock(struct uhmm *u, struct block *b,
					 unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	const struct mm_ops *ops = u->mm->ops;
	bool write = flags & MM_FAULT_WRITE || is_counted(u);
	unsigned n = write ? fault_window(u, b, i) : 1;
	uintptr_t va = b->va + i * MM_PAGE_SIZE;
	ssize_t got;

	if (n > 1 && charge_room(u, b) < n)
		n = 1; /* pages that no thread has touched never pass a limit */
	got = ops->zero(u->mm, va, n, write);

	if (got < 0 && n > 1 && got != -EEXIST && got != -EAGAIN)
		got = ops->zero(u->mm, va, 1, write);
	for (ssize_t k = 0; b->table && k < got; k++) {
		if (write)
			block_home(u, b, i + (unsigned)k, E_ZERO);
		else
			block_event(u, b, i + (unsigned)k, E_ZERO);
	}
	block_unlock(u, b);
	if (got <= 0)
		return no_zeroes(u, va, got);
	count_add(&u->count.zero_faults, 1);
	return MM_RESOLVED;
}

/* Map pages from their frames.  If they were leaving, that copy is in vain. */
static enum mm_outcome frame_fault_unlock(struct uhmm *u, struct block *b,
					  unsigned i) LETS_GO(b->lock)
{
	unsigned n = fault_window(u, b, i);
	int got = home_thaw(u, b, i, i + n);

	block_unlock(u, b);
	count_add(&u->count.soft_faults, 1);
	if (is_counted(u) && charge_above(&u->charge.root, 1))
		policy_kick(u); /* the frame may have memory still */
	return got > 0 ? MM_RESOLVED : MM_RETRY;
}

/* Is page @i at its address?  1, 0, -errno when that cannot be known now. */
static int is_page_resident(struct uhmm *u, const struct block *b, unsigned i)
{
	struct mm_set there;
	int err = u->mm->ops->resident_now(u->mm, b->va, i, i + 1, &there);

	return err ? err : set_has(&there, i);
}

/*
 * Another thread's fault mapped the page, or the address space is changing:
 * wake the toucher, which tries again.
 */
static enum mm_outcome late_fault_unlock(struct uhmm *u, struct block *b)
	LETS_GO(b->lock)
{
	block_unlock(u, b);
	count_add(&u->count.spurious, 1);
	return MM_RETRY;
}

/* Is it worth it to read more of a file than was asked for? */
static bool reads_around(struct uhmm *u, struct block *b, unsigned i,
			 unsigned flags)
{
	return u->mm->can_share && !(flags & MM_FAULT_WRITE) &&
	       hint_at(&b->order, i) != UHMM_ADVICE_RANDOM &&
	       (!is_counted(u) || charge_room(u, b) >= 4 * FILE_WINDOW);
}

/*
 * Of the @n pages of a stream, those that the file has.  Pages that are only
 * read come with their neighbours.
 */
static unsigned file_window(struct uhmm *u, struct block *b, unsigned i,
			    unsigned n, unsigned flags)
{
	uint64_t w = block_word(b, i), bound;

	if (!block_rests(b, w))
		return n;
	if (n < FILE_WINDOW && reads_around(u, b, i, flags))
		n = same_run(b, i, FILE_WINDOW);
	bound = atomic_load(&device_get(u, page_dev(w))->bound);
	if (page_dpfn(w) >= bound)
		n = 1; /* it may have grown */
	else if (n > bound - page_dpfn(w))
		n = (unsigned)(bound - page_dpfn(w));
	atomic_store_explicit(&b->next_fault, (uint16_t)(i + n),
			      memory_order_relaxed);
	return n;
}

/*
 * The first write to a clean page: give up the copy on the device, for a stream
 * of writes that of the next pages, too.  A clean page that is not at its
 * address is fetched.
 */
static enum mm_outcome clean_fault_unlock(struct uhmm *u, struct block *b,
					  unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	uint64_t w = block_word(b, i);
	struct mm_set run;
	unsigned n;

	if (!(flags & MM_FAULT_WP) && is_page_resident(u, b, i) != 0)
		return late_fault_unlock(u, b);
	if (!(flags & MM_FAULT_WP)) {
		block_arrive(u, b, i, page_dev(w), page_dpfn(w), E_ARRIVE);
		n = file_window(u, b, i, fault_window(u, b, i), MM_FAULT_WRITE);
		return home_fault_unlock(u, b, i, n, true);
	}
	set_clear(&run);
	set_add_run(&run, i, i + fault_window(u, b, i));
	clean_written(b);
	count_add(&u->count.soft_faults, 1);
	return clean_break_unlock(u, b, &run, NULL) ? MM_RETRY : MM_RESOLVED;
}

/*
 * A page of a site is not at its address any more: the kernel dropped it.  The
 * page that takes its place is a new one.
 */
static enum mm_outcome site_fault_unlock(struct uhmm *u, struct block *b,
					 unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	uintptr_t va = b->va + i * MM_PAGE_SIZE;
	uint64_t w = block_word(b, i);
	enum mm_outcome out;

	if (is_page_resident(u, b, i) != 0)
		return late_fault_unlock(u, b);
	block_event(u, b, i, E_DISCARD);
	out = zero_fault_unlock(u, b, i, flags);
	device_free_words(u, &w, 1);
	mirror_invalidate(u, va, va + MM_PAGE_SIZE, UHMM_NOTIFY_CLEAR);
	return out;
}

static enum mm_outcome device_fault_unlock(struct uhmm *u, struct block *b,
					   unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	unsigned n = file_window(u, b, i, fault_window(u, b, i), flags);

	if (is_counted(u))
		thrash_refault(u, b, n);
	return home_fault_unlock(u, b, i, n, flags & MM_FAULT_WRITE);
}

/* A thread is at work on the page; block_settle() wakes the toucher. */
static enum mm_outcome wait_fault_unlock(struct uhmm *u, struct block *b,
					 unsigned flags) LETS_GO(b->lock)
{
	uint32_t seen = atomic_load(&b->settled);

	atomic_store(&b->waiting, 1);
	block_unlock(u, b);
	if (!(flags & MM_FAULT_MAY_BLOCK))
		return MM_WAIT;
	sys_futex_wait(&b->settled, seen, 1000 * 1000 * 1000);
	return MM_RETRY;
}

static enum mm_outcome poisoned_fault_unlock(struct uhmm *u, struct block *b,
					     unsigned i) LETS_GO(b->lock)
{
	u->mm->ops->poison(u->mm, b->va + i * MM_PAGE_SIZE, 1);
	block_unlock(u, b);
	return MM_SIGBUS;
}

/*
 * The page is protected, but no move protects it any more; or it is a page of a
 * file that is being written back, and is not what the file has from now on.
 */
static enum mm_outcome stale_protection_unlock(struct uhmm *u, struct block *b,
					       unsigned i) LETS_GO(b->lock)
{
	if (page_state(block_word(b, i)) == P_RAM && b->table)
		block_unflag(b, i, PAGE_SYNCING);
	u->mm->ops->unprotect(u->mm, b->va + i * MM_PAGE_SIZE, 1);
	block_unlock(u, b);
	return MM_RETRY;
}

/*
 * A page of a file is not at its address: the program discarded it, and it
 * comes from the file again.
 */
static enum mm_outcome file_fault_unlock(struct uhmm *u, struct block *b,
					 unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	if (block_ensure_table(u, b) || is_page_resident(u, b, i) != 0)
		return late_fault_unlock(u, b);
	block_event(u, b, i, E_HOLE);
	count_add(&u->count.faults, 1);
	return device_fault_unlock(u, b, i, flags);
}

/* Unlock, and wait until the demoter has made room. */
static enum mm_outcome room_fault_unlock(struct uhmm *u, struct block *b,
					 unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	block_unlock(u, b);
	return room_throttle(u, b, i, flags) ? MM_WAIT : MM_RETRY;
}

/* Caller holds b->lock, which is unlocked on return. */
static enum mm_outcome fault_page_unlock(struct uhmm *u, struct block *b,
					 unsigned i, unsigned flags)
	LETS_GO(b->lock)
{
	uint64_t w = block_word(b, i);
	enum page_state s = page_state(w);

	if (flags & MM_FAULT_WP && s != P_STASHING && s != P_CLEAN)
		return stale_protection_unlock(u, b, i);
	if (page_has(w, PAGE_TAKES_RAM) && is_counted(u) && room_is_full(u, b))
		return room_fault_unlock(u, b, i, flags);
	if (page_has(w, PAGE_WAITS))
		return wait_fault_unlock(u, b, flags);
	if (page_has(w, PAGE_PLAIN) && block_is_file(b, i))
		return file_fault_unlock(u, b, i, flags);
	switch (s) {
	case P_RAM:
	case P_EMPTY:
	case P_DROPPED:
	case P_CLEARING:
		return zero_fault_unlock(u, b, i, flags);
	case P_DEVICE:
		count_add(&u->count.faults, 1);
		return device_fault_unlock(u, b, i, flags);
	case P_COHERENT:
		if (site_has(u, w))
			return site_fault_unlock(u, b, i, flags);
		if (w & PAGE_DROP)
			return wait_fault_unlock(u, b, flags);
		return coherent_fault_unlock(u, b, i);
	case P_CLEAN:
		return clean_fault_unlock(u, b, i, flags);
	case P_FROZEN:
	case P_LEAVING:
		return frame_fault_unlock(u, b, i);
	case P_EXCLUSIVE:
		return exclusive_fault_unlock(u, b, i);
	default:
		if (w & PAGE_DROP)
			return wait_fault_unlock(u, b, flags);
		return poisoned_fault_unlock(u, b, i);
	}
}

/* Caller holds the birth lock: no block is made, so no page moves. */
static enum mm_outcome zero_plain(struct uhmm *u, uintptr_t addr,
				  unsigned flags)
{
	ssize_t n = u->mm->ops->zero(u->mm, addr, 1, flags & MM_FAULT_WRITE);

	if (n != 1)
		return no_zeroes(u, addr, n);
	count_add(&u->count.zero_faults, 1);
	return MM_RESOLVED;
}

/* Memory that was registered, in a block that does not exist yet. */
static enum mm_outcome plain_fault(struct uhmm *u, uintptr_t addr,
				   unsigned flags)
{
	struct sys_mutex *lock = block_birth_mutex(u, addr);
	enum mm_outcome out = MM_RETRY;

	addr &= ~(MM_PAGE_SIZE - 1);
	if (flags & MM_FAULT_WP) {
		u->mm->ops->unprotect(u->mm, addr, 1);
		return MM_RETRY;
	}
	sys_mutex_lock(lock);
	if (!block_find(u, addr))
		out = zero_plain(u, addr, flags);
	sys_mutex_unlock(lock);
	return out;
}

enum mm_outcome core_fault(void *priv, uintptr_t addr, unsigned flags)
{
	struct uhmm *u = priv;
	uint64_t start = sys_now_ns();
	enum mm_outcome out;
	struct block *b;

	b = is_counted(u) ? block_get(u, addr) : block_find(u, addr);
	if (!b) {
		out = plain_fault(u, addr, flags);
	} else {
		block_lock(b);
		if (is_counted(u))
			block_ensure_table(u, b);
		out = fault_page_unlock(u, b, page_index(addr), flags);
	}
	start = sys_now_ns() - start;
	hist_add(&u->fault_ns, start);
	count_add(&u->count.blocked_ns, start);
	return out;
}
