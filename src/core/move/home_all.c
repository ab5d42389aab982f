// SPDX-License-Identifier: MIT
/*
 * home_all.c - every block's pages come back to RAM: a device goes away, or
 * the context.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/move/home.h"
#include "core/page/block.h"
#include "core/page/block_file.h"

/*
 * The pages of a block that are to come home.  A child of a fork(2) has no
 * pages of files.  Those that are in their files, and nowhere else, come if
 * the device of the file is named only.
 */
static struct mm_set wanted(struct uhmm *u, struct block *b,
			    const struct uhmm_device *only, enum home_how how)
{
	struct mm_set ret;

	set_fill(&ret);
	if (!block_file(b))
		return ret;
	block_lock(b);
	if (how == HOME_FORK)
		ret = block_not_file(b);
	for (unsigned i = 0; !only && i < MM_BLOCK_PAGES; i++)
		if (block_rests(b, block_word(b, i)))
			set_del(&ret, i);
	block_unlock(u, b);
	return ret;
}

int home_all(struct uhmm *u, struct uhmm_device *only, enum home_how how)
{
	int err = 0;

	block_for_each(u, b) {
		struct mm_set want = wanted(u, b, only, how);
		int e = home_block(u, b, &want, only, how, NULL);

		if (e && e != -EBUSY) /* what stays at a site is not lost */
			err = e;
	}
	return err;
}
