// SPDX-License-Identifier: MIT
/*
 * home_all.c - every block's pages come back to RAM: a device goes away, or
 * the context.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/move/home.h"

int home_all(struct uhmm *u, struct uhmm_device *only, enum home_how how)
{
	struct mm_set all;
	int err = 0;

	set_fill(&all);
	block_for_each(u, b) {
		int e = home_block(u, b, &all, only, how, NULL);

		if (e && e != -EBUSY) /* what stays at a site is not lost */
			err = e;
	}
	return err;
}
