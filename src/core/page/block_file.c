/* SPDX-License-Identifier: MIT */
/* block_file.c - pages of a block that are those of a file; see block_file.h */
#include "core/page/block_file.h"
#include "core/page/dropped.h"

uint64_t block_bare_word(const struct block *b, unsigned i, enum page_state to)
{
	const struct block_file *f = block_file(b);

	if (to == P_EMPTY && block_is_file(b, i))
		return page_on_device(P_DEVICE, f->dev, f->first + i);
	return to == P_DROPPED ? dropped_word() : (uint64_t)to;
}

struct mm_set block_not_file(const struct block *b)
{
	const struct block_file *f = block_file(b);
	struct mm_set ret;

	set_fill(&ret);
	return f ? set_minus(&ret, &f->set) : ret;
}

void block_file_cut(struct block *b, unsigned first, unsigned last)
{
	struct block_file *f = block_file(b);

	if (!f)
		return;
	set_del_run(&f->set, first, last);
	if (set_empty(&f->set))
		atomic_store_explicit(&b->file, NULL, memory_order_release);
}
