/* SPDX-License-Identifier: MIT */
/* range.h - ranges of addresses begin to be managed, and cease to be. */
#ifndef UHMM_MOVE_RANGE_H
#define UHMM_MOVE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uhmm;

/* range.c */
int range_take_in(struct uhmm *u, uintptr_t start, uintptr_t end, bool strict);
/*
 * Bring pages home, and stop managing them.  -EIO: some were lost.  -EBUSY:
 * some are pinned, and still managed.
 */
int range_forget(struct uhmm *u, uintptr_t start, uintptr_t end);
/* [start, end) lies in one block, which exists. */
bool range_is_pinned(struct uhmm *u, uintptr_t start, uintptr_t end);
int core_tracked(void *priv, uintptr_t start, uintptr_t end);
/* Manage the memory mapped in [start, end), without counting its pages. */
int range_inherit(struct uhmm *u, uintptr_t start, uintptr_t end);
int range_seed(struct uhmm *u, uintptr_t start, uintptr_t end);

#endif
