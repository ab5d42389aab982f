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
 * Where the provider asks for runs (UHMM_DEVICE_RUNS), free pages between used
 * ones are passed over as long as there are longer runs.  These are looked for
 * among the first pages of the device only, twice as many as are in use and
 * SLACK more, so that a file hardly grows beyond that.  The search goes on
 * where the last one ended: what leaves in turn lies together.
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

/* ---- Runs --------------------------------------------------------------- */

#define SLACK ((uint64_t)8192)	    /* pages: 32 MiB */
#define LOOK  ((uint64_t)1024 * 64) /* pages that one search may pass */

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first free page in [@p, @end), or @end. */
static uint64_t next_free(const struct pagemap *pm, uint64_t p, uint64_t end)
{
	for (; p < end; p = (p | 63) + 1) {
		uint64_t free = ~pm->used[p / 64] >> p % 64;

		if (free)
			return least_of(p + (unsigned)__builtin_ctzll(free),
					end);
	}
	return end;
}

/* How many free pages follow each other from @p on, at most up to @end. */
static unsigned free_run(const struct pagemap *pm, uint64_t p, uint64_t end)
{
	uint64_t first = p;

	while (p < end) {
		uint64_t used = pm->used[p / 64] >> p % 64;

		if (used) {
			p += (unsigned)__builtin_ctzll(used);
			break;
		}
		p = (p | 63) + 1;
	}
	return (unsigned)(least_of(p, end) - first);
}

static void mark_run(struct pagemap *pm, uint64_t p, unsigned n, uint64_t *ret)
{
	for (; n; n--, p++) {
		pm->used[p / 64] |= UINT64_C(1) << p % 64;
		*ret++ = p;
	}
}

/* One search, for @n pages in runs of @least.  The last run may be shorter. */
static unsigned take_runs_of(struct pagemap *pm, unsigned least, unsigned n,
			     uint64_t *ret)
{
	uint64_t end =
		least_of(2 * atomic_load(&pm->nused) + SLACK, pm->npages);
	uint64_t left = least_of(end, LOOK), p = pm->next < end ? pm->next : 0;
	unsigned got = 0;

	while (got < n && left) {
		uint64_t stop = least_of(end, p + left);
		uint64_t at = next_free(pm, p, stop);
		unsigned run = free_run(pm, at, least_of(at + (n - got), stop));

		if (run && run >= least_of(least, n - got)) {
			mark_run(pm, at, run, ret + got);
			got += run;
			pm->next = at + run;
		}
		left -= at + run - p;
		p = at + run < end ? at + run : 0;
	}
	return got;
}

/* Pages that no search finds are taken as they come. */
static unsigned take_runs(struct pagemap *pm, unsigned n, uint64_t *ret)
{
	static const unsigned least[] = { 64, 16, 4 };
	unsigned got = 0;

	for (size_t i = 0; i < sizeof(least) / sizeof(*least); i++)
		got += take_runs_of(pm, least[i], n - got, ret + got);
	return got + take_pages(pm, n - got, ret + got);
}

/* ---- Handing out -------------------------------------------------------- */

/* At most as many as are free. */
static unsigned take(struct pagemap *pm, unsigned n, uint64_t *ret)
{
	unsigned got = 0;

	if (pm->runs)
		return take_runs(pm, n, ret);
	if (n == MM_BLOCK_PAGES)
		got = take_block(pm, ret);
	return got ? got : take_pages(pm, n, ret);
}

unsigned pagemap_alloc(struct pagemap *pm, unsigned n, uint64_t *ret)
{
	unsigned got = 0;

	sys_mutex_lock(&pm->lock);
	if (!pm->closed) {
		uint64_t left = pagemap_room(pm);

		n = n < left ? n : (unsigned)left;
		got = take(pm, n, ret);
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
