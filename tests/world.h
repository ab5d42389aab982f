/* SPDX-License-Identifier: MIT */
/*
 * world.h - a context on the fake page table, devices that watch the core, and
 * a check of all that must hold between them while nothing moves.
 *
 * Everything runs on the calling thread unless a test starts others, so that a
 * test is deterministic.  A message of the core about itself ("page ... in
 * state ...") stops the program.
 */
#ifndef UHMM_WORLD_H
#define UHMM_WORLD_H

#include "store.h"
#include "world_check.h"
#include "world_context.h"

/*
 * Tests look at memory after uhmm_close(), too, which closes the page table:
 * put that off until world_let_go().
 */
static inline void world_keep_mm(struct mm *mm)
{
	(void)mm;
}

static inline void world_hold(struct world *w)
{
	w->orig = w->mm->ops;
	w->ops = malloc(sizeof(*w->ops));
	CHECK(w->ops != NULL);
	*w->ops = *w->orig;
	w->ops->close = world_keep_mm;
	w->mm->ops = w->ops;
}

static inline void world_let_go(struct world *w)
{
	w->orig->close(w->mm);
	free(w->ops);
	w->mm = NULL;
}

/* Closes; every page must be at home and whole. */
static inline void world_close(struct world *w)
{
	world_check(w);
	CHECK_EQ(uhmm_close(w->u), 0);
	w->u = NULL;
}

#endif
