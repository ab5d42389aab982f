/* SPDX-License-Identifier: MIT */
/*
 * digest.c - a keyed hash of a page.
 *
 * The hash is NH, the universal hash of UMAC (RFC 4418), with words of 64 bits,
 * and taken twice, with the key moved on by two words.  For two pages that
 * differ, however they were chosen, as long as the key is not known, the chance
 * of equal digests is 2^-128.
 */
#include <errno.h>

#include "core/page/digest.h"
#include "sys/sys.h"

typedef unsigned __int128 wide;

int digest_key_make(struct digest_key *key)
{
	int err;

	if (key->is_made)
		return 0;
	err = sys_random(key->k, sizeof(key->k));
	if (!err)
		key->is_made = true;
	return err;
}

void digest_take(const struct digest_key *key, const void *page,
		 struct digest *ret)
{
	const uint64_t *k = key->k, *m = page;
	wide a = 0, b = 0;

	for (unsigned i = 0; i < DIGEST_WORDS; i += 2) {
		a += (wide)(m[i] + k[i]) * (m[i + 1] + k[i + 1]);
		b += (wide)(m[i] + k[i + 2]) * (m[i + 1] + k[i + 3]);
	}
	*ret = (struct digest){ { (uint64_t)a, (uint64_t)(a >> 64), (uint64_t)b,
				  (uint64_t)(b >> 64) } };
}
