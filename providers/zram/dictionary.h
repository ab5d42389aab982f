/* SPDX-License-Identifier: MIT */
/* dictionary.h - what the pages of a device have in common: dictionary.c */
#ifndef UHMM_ZRAM_DICTIONARY_H
#define UHMM_ZRAM_DICTIONARY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"

/*
 * @content: the dictionary, made of samples; @trials: pages to try it on
 * @objects: the codec's, of @content
 * @seen: pages that were offered; @filled: of the samples and trials
 * @ready: @objects, from when pages are packed with them; never changes again
 * @ram: bytes that have memory, about
 */
struct dictionary {
	const struct codec *codec;
	int level;
	unsigned char *content, *trials, *objects;
	size_t objects_len;
	_Atomic uint32_t seen, filled;
	void *_Atomic ready;
	_Atomic uint64_t ram;
};

/* The caller zeroes @d.  Without a codec that has dictionaries: nothing. */
int dictionary_init(struct dictionary *d, const struct codec *codec, int level);
void dictionary_fini(struct dictionary *d);
/*
 * @page was packed, without a dictionary.  @packer is the caller's, and @out
 * has room for a page.  May make the dictionary.
 */
void dictionary_offer(struct dictionary *d, const void *page, void *packer,
		      void *out);

/* NULL: there is none (yet). */
static inline const void *dictionary_of(const struct dictionary *d)
{
	return atomic_load_explicit(&d->ready, memory_order_acquire);
}

#endif
