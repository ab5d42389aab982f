/* SPDX-License-Identifier: MIT */
/* twin.h - device pages of pages that are in RAM: twin.c */
#ifndef UHMM_PAGE_TWIN_H
#define UHMM_PAGE_TWIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/page/digest.h"
#include "core/page/slab.h"

struct block;
struct uhmm;

#define TWIN_SIZES 5 /* of tables: 32 twins to MM_BLOCK_PAGES */

/* @word: names device and dpfn; @digest: of what is there */
struct twin {
	uint64_t word;
	struct digest digest;
};

/* The hook uhmm.free_twins: @words are no twins any more. */
typedef void free_twins_fn(struct uhmm *u, const uint64_t *words, unsigned n);

void twin_init(struct slab *slabs);
/* Bytes that all tables take. */
uint64_t twin_bytes(const struct uhmm *u);

/* The caller holds b->lock. */

/*
 * Page @i is in RAM, and @twin->word has its data.  Return: false: no memory,
 * or the page has one; the device page stays the caller's.
 */
bool twin_add(struct uhmm *u, struct block *b, unsigned i,
	      const struct twin *twin);
/* NULL: the page has none. */
const struct twin *twin_of(const struct block *b, unsigned i);
bool twin_has(const struct block *b, unsigned i);
/* The word of page @i becomes @word. */
void twin_follow(struct block *b, unsigned i, uint64_t word);
/* Page @i has no twin any more; block_unlock() frees its device page. */
void twin_end(struct block *b, unsigned i);
/* Likewise, and the device page is the caller's. */
void twin_take(struct uhmm *u, struct block *b, unsigned i);
/* End the twins of device @id in [first, last). */
void twin_end_on(struct block *b, unsigned id, uint64_t first, uint64_t last);
/* Take the words of twins that have ended, at most MM_BLOCK_PAGES. */
unsigned twin_take_ended(struct uhmm *u, struct block *b, uint64_t *ret);

#endif
