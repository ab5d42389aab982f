/* SPDX-License-Identifier: MIT */
/* digest.h - do two pages differ?  digest.c */
#ifndef UHMM_PAGE_DIGEST_H
#define UHMM_PAGE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mm/set.h"

#define DIGEST_WORDS (MM_PAGE_SIZE / sizeof(uint64_t))

struct digest {
	uint64_t w[4];
};

/* @is_made: @k is random; else no digest may be taken */
struct digest_key {
	_Atomic bool is_made;
	uint64_t k[DIGEST_WORDS + 2];
};

/* -errno: there are no random numbers.  Called by one thread at a time. */
int digest_key_make(struct digest_key *key);
void digest_take(const struct digest_key *key, const void *page,
		 struct digest *ret);

static inline bool digest_equals(const struct digest *a, const struct digest *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#endif
