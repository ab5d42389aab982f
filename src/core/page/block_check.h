/* SPDX-License-Identifier: MIT */
/* block_check.h - see block_check.c; does nothing without debug checks */
#ifndef UHMM_PAGE_BLOCK_CHECK_H
#define UHMM_PAGE_BLOCK_CHECK_H

#include "sys/debug.h"

struct block;
struct uhmm;

/* Caller holds b->lock. */
#if DEBUG_CHECKS
void block_check(struct uhmm *u, const struct block *b);
#else
static inline void block_check(struct uhmm *u, const struct block *b)
{
	(void)u;
	(void)b;
}
#endif

#endif
