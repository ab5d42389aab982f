/* SPDX-License-Identifier: MIT */
/*
 * block_file.h - pages of a block that are those of a file that is mapped.
 *
 * To the core the file is a device, and page i of the block is its device page
 * @first + i.  Such a page is never a hole: without data of its own it is
 * P_DEVICE, on the file.  A page rests when it is in its file and not in RAM.
 */
#ifndef UHMM_PAGE_BLOCK_FILE_H
#define UHMM_PAGE_BLOCK_FILE_H

#include "core/page/block.h"

/*
 * @set: the pages; @same: those of them that are on another device, with the
 *	data that the file has
 * @dev: the number of the file's device
 */
struct block_file {
	struct mm_set set, same;
	unsigned dev;
	uint64_t first;
};

/* All but block_file() want b->lock. */

/* NULL: no page is a file's.  A hint without the lock. */
static inline struct block_file *block_file(const struct block *b)
{
	return atomic_load_explicit(&b->file, memory_order_acquire);
}

/* Is page @i one of a file? */
static inline bool block_is_file(const struct block *b, unsigned i)
{
	const struct block_file *f = block_file(b);

	return f && set_has(&f->set, i);
}

/* Does @w say that the page is in its file, and not in RAM? */
static inline bool block_rests(const struct block *b, uint64_t w)
{
	const struct block_file *f = block_file(b);

	return f && page_is_away(w) && page_dev(w) == f->dev;
}

/* Is the page on a device other than its file? */
static inline bool block_is_away(const struct block *b, uint64_t w)
{
	return page_is_away(w) && !block_rests(b, w);
}

/* The data of page @i change, or may from now on. */
static inline void block_file_written(struct block *b, unsigned i)
{
	if (block_file(b))
		set_del(&block_file(b)->same, i);
}

/* The word of page @i that is @to, and has no data of its own. */
uint64_t block_bare_word(const struct block *b, unsigned i, enum page_state to);
/* The pages of @b that are no file's. */
struct mm_set block_not_file(const struct block *b);
/* Pages [first, last) are no file's any more. */
void block_file_cut(struct block *b, unsigned first, unsigned last);

#endif
