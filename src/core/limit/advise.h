/* SPDX-License-Identifier: MIT */
/* advise.h - what the program says of its use of memory: advise.c */
#ifndef UHMM_LIMIT_ADVISE_H
#define UHMM_LIMIT_ADVISE_H

#include <stddef.h>
#include <stdint.h>

#include <uhmm/advise.h>

#include "mm/set.h"

struct block;

/* Bodies of uhmm_advise(). */
int do_advise(struct uhmm *u, uintptr_t addr, size_t len,
	      enum uhmm_advice advice);
/*
 * Bring pages home, at most @most of them: a batch now, the rest by another
 * request in the background.
 */
int do_willneed(struct uhmm *u, uintptr_t addr, size_t len, uint64_t most);
/*
 * Only for the demoter: pages of @b that are cold still.  From here on they are
 * as any other.
 */
struct mm_set advise_take_cold(struct uhmm *u, struct block *b);

#endif
