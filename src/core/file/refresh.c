/* SPDX-License-Identifier: MIT */
/*
 * refresh.c - the file has changed: pages that were only read are forgotten,
 * and what lies behind its end.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/file/file.h"
#include "core/fork/gate.h"
#include "core/move/clean.h"
#include "core/move/home.h"
#include "core/page/block.h"
#include "core/page/block_file.h"
#include "core/page/page.h"
#include "core/page/region.h"
#include "sys/kernel.h"

/*
 * Pages that cannot be had from the file as it is now: lost, or behind its end.
 */
static struct mm_set gone_pages(struct file_map *m, struct block *b,
				const struct mm_set *want)
{
	const struct block_file *f = block_file(b);
	uint64_t bound = atomic_load(&m->dev->bound);
	struct mm_set ret;

	set_clear(&ret);
	block_lock(b);
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		if (page_state(w) == P_POISONED ||
		    (f->first + i >= bound && !block_rests(b, w)))
			set_add(&ret, i);
	}
	block_unlock(m->u, b);
	return ret;
}

static void refresh_block(struct file_map *m, struct block *b,
			  const struct mm_set *want)
{
	struct mm_set gone;

	gate_enter(m->u);
	block_take_mover(m->u, b);
	clean_drop(m->u, b, want);
	block_let_go(m->u, b);
	gate_leave(m->u);
	gone = gone_pages(m, b, want);
	set_for_each_run(&gone, first, last)
		sys_room_discard(block_addr(b, first),
				 (last - first) << MM_PAGE_SHIFT);
}

/*
 * The bytes of the last page that lie behind the end of the file would go to
 * the file if that grows.  A page that is not in RAM comes home for it.
 */
static void zero_tail(struct file_map *m, uintptr_t start, uintptr_t end)
{
	static const char zeroes[MM_PAGE_SIZE];
	uint64_t size = (uint64_t)sys_file_bytes(&m->file) - m->offset;
	uintptr_t page = m->va + (size & ~(MM_PAGE_SIZE - 1));
	size_t used = size & (MM_PAGE_SIZE - 1);
	struct block *b = block_find(m->u, page);
	struct mm_set want;
	bool rests;

	if (!used || page < start || page >= end || !b || !block_file(b) ||
	    !file_is_writable(m))
		return;
	set_clear(&want);
	set_add(&want, page_index(page));
	gate_enter(m->u);
	block_take_mover(m->u, b);
	block_lock(b);
	rests = block_rests(b, block_word(b, page_index(page)));
	block_unlock(m->u, b);
	if (!rests)
		home_block(m->u, b, &want, NULL, HOME_MIGRATE, NULL);
	block_let_go(m->u, b);
	gate_leave(m->u);
	if (!rests)
		sys_vm_write(page + used, zeroes, MM_PAGE_SIZE - used);
}

int do_file_refresh(struct uhmm *u, uintptr_t addr, size_t len)
{
	struct file_map *m = file_find(u, addr, len);
	uintptr_t at = addr, end = addr + len, last;

	if (!m)
		return -EINVAL;
	if (file_measure(m))
		return -EIO;
	for (; block_next(u, &at, end); at = last) {
		struct block *b = block_find(u, at);
		struct mm_set want;

		last = block_part_end(at, end);
		region_set(u, at, last, &want);
		if (block_file(b))
			refresh_block(m, b, &want);
	}
	if (u->mm->ops->sync)
		u->mm->ops->sync(u->mm);
	zero_tail(m, addr, end);
	return 0;
}
