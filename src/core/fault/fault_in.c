/* SPDX-License-Identifier: MIT */
/*
 * fault_in.c - make pages present that a system call is about to use.
 *
 * For processes that may not serve the kernel's own faults: there a system call
 * on an away page fails, and works once this has run.  The pages are not
 * touched here, so a bad address yields -EFAULT and no signal.
 */
#include <errno.h>

#include "core/coherent/fixed.h"
#include "core/context/context.h"
#include "core/fault/fault.h"
#include "core/move/migrate.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define EAGER_TRIES 100 /* attempts before other threads may run in between */

/* Pages [start, end) of one block. */
struct fault_walk {
	struct uhmm *u;
	uintptr_t start, end;
	bool write;
	size_t nr; /* pages brought in */
	uint16_t look[MM_BLOCK_PAGES];
};

static uint64_t word_at(struct uhmm *u, uintptr_t va)
{
	struct block *b = block_find(u, va);
	uint64_t word = 0;

	if (b) {
		block_lock(b);
		word = block_word(b, page_index(va));
		block_unlock(u, b);
	}
	fixed_words(u, va, va + MM_PAGE_SIZE, &word);
	return word;
}

static bool is_allowed(const struct fault_walk *w, uint16_t look)
{
	return look & MM_LOOK_READ && (!w->write || look & MM_LOOK_WRITE);
}

/* Can the kernel use a page that is there, given its word? */
static bool is_usable(const struct fault_walk *w, uint64_t word)
{
	return page_has(word, PAGE_READABLE) ||
	       (page_state(word) == P_CLEAN && !w->write);
}

/*
 * Fault as the CPU would.  A mapping that grew has pages that no event told of:
 * the kernel lets us put zeroes there, and at no other unregistered address.
 */
static int fault_page(struct fault_walk *w, uintptr_t va, uint64_t word)
{
	unsigned flags = MM_FAULT_MAY_BLOCK | (w->write ? MM_FAULT_WRITE : 0);
	const struct mm_ops *ops = w->u->mm->ops;

	if (!region_covers(w->u, va, va + MM_PAGE_SIZE)) {
		w->nr += ops->zero(w->u->mm, va, 1, w->write) > 0;
		return 0;
	}
	if (page_state(word) == P_CLEAN && w->write)
		flags |= MM_FAULT_WP;
	w->nr++;
	return core_fault(w->u, va, flags) == MM_SIGBUS ? -EFAULT : -EAGAIN;
}

/*
 * Return: 0, -EAGAIN to look again, -EFAULT when the program has no access.  A
 * page that a move left protected is unprotected.
 */
static int try_page(struct fault_walk *w, uintptr_t va, uint16_t look)
{
	uint64_t word = word_at(w->u, va);

	if (!is_allowed(w, look))
		return -EFAULT;
	if (!(look & MM_LOOK_PRESENT) || !is_usable(w, word))
		return fault_page(w, va, word);
	if (w->write && region_covers(w->u, va, va + MM_PAGE_SIZE))
		w->u->mm->ops->unprotect(w->u->mm, va, 1);
	return 0;
}

/* Bring in the pages that one look covers. */
static int try_fault_part(void *arg)
{
	struct fault_walk *w = arg;
	struct mm *mm = w->u->mm;
	size_t n = (w->end - w->start) >> MM_PAGE_SHIFT;
	int err = mm->ops->look(mm, w->start, n, w->look);

	for (size_t i = 0; i < n && !err; i++) {
		err = try_page(w, w->start, w->look[i]);
		if (!err)
			w->start += MM_PAGE_SIZE;
	}
	return err;
}

int fault_until_done(struct sys_wait *wait, try_fn *try, void *arg)
{
	int err = -EAGAIN;

	for (unsigned tries = 0; err == -EAGAIN; tries++) {
		if (tries > EAGER_TRIES + 2 * MM_BLOCK_PAGES)
			sys_wait_yield(wait);
		err = try(arg);
	}
	sys_wait_end(wait);
	return err;
}

static int fault_in_part(struct fault_walk *w)
{
	struct sys_wait wait = { .all = &w->u->waits,
				 .what = "pages to be in RAM at",
				 .at = w->start };

	return fault_until_done(&wait, try_fault_part, w);
}

int64_t do_fault_in(struct uhmm *u, uintptr_t addr, size_t len, bool write)
{
	struct fault_walk w = { .u = u, .start = addr, .write = write };
	uintptr_t end = addr + len;
	int err = 0;

	while (w.start < end && !err) {
		w.end = block_part_end(w.start, end);
		err = fault_in_part(&w);
		if (w.end < end)
			sys_call_open();
	}
	return err && w.start == addr ? err : (int64_t)w.nr;
}
