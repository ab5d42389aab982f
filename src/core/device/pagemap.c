/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c - which pages of a device are handed out: a bit for each dpfn.
 *
 * Pages are given lowest first: a move of many pages gets long runs as long as
 * the device has any, and memory that was used before is used again before
 * any that the provider has yet to touch.
 *
 * A request for as many pages as a block has gets one aligned run, if one is
 * near: a device may map such a run by one entry.
 *
 * Pages that failed are marked in a second map, and stay taken for ever.
 */
#include <errno.h>
#include <string.h>

#include "core/context/context.h"
#include "core/device/device.h"

static uint64_t nr_words(const struct pagemap *pm)
{
	return (pm->npages + 63) / 64;
}

int pagemap_init(struct pagemap *pm, uint64_t npages)
{
	sys_mutex_set_rank(&pm->lock, RANK_LEAF);
	pm->npages = npages;
	pm->used = sys_alloc(nr_words(pm) * sizeof(uint64_t));
	if (!pm->used)
		return -ENOMEM;
	if (npages % 64) /* no page is beyond the last one */
		pm->used[nr_words(pm) - 1] = ~UINT64_C(0) << npages % 64;
	return 0;
}

void pagemap_destroy(struct pagemap *pm)
{
	sys_free(pm->used, nr_words(pm) * sizeof(uint64_t));
	sys_free(pm->bad, nr_words(pm) * sizeof(uint64_t));
}

static bool has(const uint64_t *map, uint64_t dpfn)
{
	return map && map[dpfn / 64] >> dpfn % 64 & 1;
}

/* Take up to @n free pages of one word. */
static unsigned take_of_word(struct pagemap *pm, uint64_t word, unsigned n,
			     uint64_t *ret)
{
	uint64_t free = ~pm->used[word];
	unsigned got = 0;

	while (free && got < n) {
		unsigned bit = (unsigned)__builtin_ctzll(free);

		free &= free - 1;
		pm->used[word] |= UINT64_C(1) << bit;
		ret[got++] = word * 64 + bit;
	}
	return got;
}

static unsigned take_pages(struct pagemap *pm, unsigned n, uint64_t *ret)
{
	uint64_t words = nr_words(pm);
	unsigned got = 0;

	while (pm->cursor < words) {
		got += take_of_word(pm, pm->cursor, n - got, ret + got);
		if (got == n)
			break;
		pm->cursor++;
	}
	return got;
}

#define BLOCK_WORDS (MM_BLOCK_PAGES / 64)
#define NEAR	    64 /* blocks that are looked at */

static bool is_free(const struct pagemap *pm, uint64_t word)
{
	uint64_t any = 0;

	for (unsigned k = 0; k < BLOCK_WORDS; k++)
		any |= pm->used[word + k];
	return !any;
}

/*
 * Take an aligned run of MM_BLOCK_PAGES, or no page.  The map has free pages.
 */
static unsigned take_block(struct pagemap *pm, uint64_t *ret)
{
	uint64_t word = (pm->cursor + BLOCK_WORDS - 1) & -(uint64_t)BLOCK_WORDS;
	uint64_t end = nr_words(pm) & -(uint64_t)BLOCK_WORDS;

	for (unsigned k = 0; k < NEAR && word < end; k++) {
		if (is_free(pm, word)) {
			memset(pm->used + word, 0xff, MM_BLOCK_PAGES / 8);
			for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
				ret[i] = word * 64 + i;
			return MM_BLOCK_PAGES;
		}
		word += BLOCK_WORDS;
	}
	return 0;
}

unsigned pagemap_alloc(struct pagemap *pm, unsigned n, uint64_t *ret)
{
	unsigned got = 0;

	sys_mutex_lock(&pm->lock);
	if (!pm->closed) {
		uint64_t left = pagemap_room(pm);

		n = n < left ? n : (unsigned)left;
		if (n == MM_BLOCK_PAGES)
			got = take_block(pm, ret);
		if (!got)
			got = take_pages(pm, n, ret);
		atomic_fetch_add(&pm->nused, got);
	}
	sys_mutex_unlock(&pm->lock);
	return got;
}

void pagemap_claim(struct pagemap *pm, uint64_t dpfn)
{
	sys_mutex_lock(&pm->lock);
	pm->used[dpfn / 64] |= UINT64_C(1) << dpfn % 64;
	atomic_fetch_add(&pm->nused, 1);
	sys_mutex_unlock(&pm->lock);
}

void pagemap_free(struct pagemap *pm, uint64_t dpfn, unsigned n)
{
	sys_mutex_lock(&pm->lock);
	for (uint64_t p = dpfn; p < dpfn + n; p++) {
		debug_check(has(pm->used, p), "device page %ju is free already",
			    (uintmax_t)p);
		if (has(pm->bad, p))
			atomic_fetch_add(&pm->nbad_free, 1);
		else
			pm->used[p / 64] &= ~(UINT64_C(1) << p % 64);
	}
	if (dpfn / 64 < pm->cursor)
		pm->cursor = dpfn / 64;
	atomic_fetch_sub(&pm->nused, n);
	sys_mutex_unlock(&pm->lock);
}

uint64_t pagemap_room(const struct pagemap *pm)
{
	uint64_t taken = atomic_load(&pm->nused) + atomic_load(&pm->nbad_free);

	return taken < pm->npages ? pm->npages - taken : 0;
}

static void fail_page(struct pagemap *pm, uint64_t p)
{
	if (has(pm->bad, p))
		return;
	pm->bad[p / 64] |= UINT64_C(1) << p % 64;
	atomic_fetch_add(&pm->nbad, 1);
	if (has(pm->used, p))
		return;
	pm->used[p / 64] |= UINT64_C(1) << p % 64;
	atomic_fetch_add(&pm->nbad_free, 1);
}

int pagemap_fail(struct pagemap *pm, uint64_t dpfn, uint64_t n)
{
	int err = 0;

	sys_mutex_lock(&pm->lock);
	if (!pm->bad)
		pm->bad = sys_alloc(nr_words(pm) * sizeof(uint64_t));
	if (!pm->bad)
		err = -ENOMEM;
	for (uint64_t p = dpfn; !err && p < dpfn + n; p++)
		fail_page(pm, p);
	sys_mutex_unlock(&pm->lock);
	return err;
}

bool pagemap_is_bad(struct pagemap *pm, uint64_t dpfn)
{
	bool bad;

	if (!atomic_load(&pm->nbad))
		return false;
	sys_mutex_lock(&pm->lock);
	bad = has(pm->bad, dpfn);
	sys_mutex_unlock(&pm->lock);
	return bad;
}

/* @closed: nothing new is handed out. */
void pagemap_close(struct pagemap *pm, bool closed)
{
	sys_mutex_lock(&pm->lock);
	pm->closed = closed;
	sys_mutex_unlock(&pm->lock);
}
