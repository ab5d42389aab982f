// SPDX-License-Identifier: MIT
/*
 * Traces of page touches, recorded ones and made ones: see trace.h.
 *
 * A file is zstd of numbers in bytes of 7 bits, lowest first, of which all but
 * the last have the highest bit set.  0 is followed by how many next pages were
 * touched, one after the other.  Any other number less 1 is the distance from
 * the page before, shifted by two; bit 1 is its sign, and bit 0 says that the
 * page was given back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/set.h"
#include "trace.h"
#if WITH_ZSTD
#include <zstd.h>
#endif

#define MADE_PAGES 8192u
#define MADE_LEN   300000u
#define MOST_PAGES (UINT32_C(1) << 26)
#define MOST_BYTES ((size_t)64 << 20)

const char *const trace_names[] = { "sort", "sqlite", "python", "redis",
				    "cc1",  "random", "zipf",	"chase",
				    "loop", "scan",   NULL };

bool trace_is_recorded(const char *name)
{
	return strcmp(name, "random") && strcmp(name, "zipf") &&
	       strcmp(name, "chase") && strcmp(name, "loop") &&
	       strcmp(name, "scan");
}

/* ---- Made --------------------------------------------------------------- */

static uint32_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 20);
}

/* Page n is as likely as all pages below n are together, divided by n. */
static uint32_t skewed(uint64_t *x, uint32_t n)
{
	uint32_t most = next_random(x) % n + 1;

	for (int k = 0; k < 3; k++)
		most = next_random(x) % most + 1;
	return most - 1;
}

/* A hot quarter; every other time the rest is gone through once. */
static uint32_t scan_page(uint64_t *x, size_t at)
{
	const uint32_t hot = MADE_PAGES / 4, rest = MADE_PAGES - hot;

	if (at / rest % 2)
		return hot + (uint32_t)(at % rest);
	return next_random(x) % hot;
}

/* One cycle through all pages, in a random order. */
static uint32_t *chain(uint64_t *x)
{
	uint32_t *next = malloc(MADE_PAGES * sizeof(*next));

	for (uint32_t i = 0; next && i < MADE_PAGES; i++)
		next[i] = i;
	for (uint32_t i = MADE_PAGES - 1; next && i > 0; i--) {
		uint32_t k = next_random(x) % i, page = next[k];

		next[k] = next[i];
		next[i] = page;
	}
	return next;
}

static uint32_t made_page(const char *name, uint64_t *x, size_t at)
{
	switch (*name) {
	case 'r':
		return next_random(x) % MADE_PAGES;
	case 'z':
		/* hot pages are in all blocks */
		return skewed(x, MADE_PAGES) * 2654435761u % MADE_PAGES;
	case 's':
		return scan_page(x, at);
	default:
		return (uint32_t)(at % MADE_PAGES);
	}
}

static int make_trace(struct trace *t, const char *name)
{
	uint64_t x = 88172645463325252;
	uint32_t *next = chain(&x), at = 0;

	t->entry = malloc(MADE_LEN * sizeof(*t->entry));
	if (!t->entry || !next) {
		free(next);
		return -ENOMEM;
	}
	for (t->len = 0; t->len < MADE_LEN; t->len++) {
		at = *name == 'c' ? next[at] : made_page(name, &x, t->len);
		t->entry[t->len] = at << 1;
	}
	free(next);
	return 0;
}

/* ---- Recorded ----------------------------------------------------------- */

struct reader {
	const unsigned char *at, *end;
	bool bad;
};

static uint64_t number(struct reader *r)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		if (r->at == r->end)
			break;
		n |= (uint64_t)(*r->at & 127) << shift;
		if (!(*r->at++ & 128))
			return n;
	}
	r->bad = true;
	return 0;
}

static bool add_entry(struct trace *t, size_t *room, int64_t page, bool frees)
{
	if (page < 0 || page >= MOST_PAGES)
		return false;
	if (t->len == *room) {
		size_t more = *room ? *room * 2 : 65536;
		void *p = realloc(t->entry, more * sizeof(*t->entry));

		if (!p)
			return false;
		t->entry = p;
		*room = more;
	}
	t->entry[t->len++] = (uint32_t)page << 1 | frees;
	return true;
}

static int decode(struct trace *t, const unsigned char *p, size_t len)
{
	struct reader r = { .at = p, .end = p + len };
	size_t room = 0;
	int64_t page = -1;
	bool ok = true;

	while (ok && r.at < r.end) {
		uint64_t n = number(&r);
		uint64_t run = n ? 0 : number(&r);
		int64_t step = (int64_t)((n - 1) >> 2);

		ok = !r.bad;
		for (; ok && run; run--)
			ok = add_entry(t, &room, ++page, false);
		if (!n || !ok)
			continue;
		page += (n - 1) & 2 ? -step - 1 : step;
		ok = add_entry(t, &room, page, (n - 1) & 1);
	}
	return ok ? 0 : -EINVAL;
}

#if WITH_ZSTD
static int unpack(struct trace *t, const void *packed, size_t len)
{
	unsigned char *p = malloc(MOST_BYTES);
	size_t n = p ? ZSTD_decompress(p, MOST_BYTES, packed, len) : 0;
	int err = p ? -EINVAL : -ENOMEM;

	if (p && !ZSTD_isError(n))
		err = decode(t, p, n);
	free(p);
	return err;
}
#else
static int unpack(struct trace *t, const void *packed, size_t len)
{
	(void)decode;
	return -EOPNOTSUPP;
}
#endif

static int read_trace(struct trace *t, const char *name)
{
	const char *folder = getenv("UHMM_TRACES");
	char path[4096];
	void *packed = malloc(MOST_BYTES);
	size_t len = 0;
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "%s/%s.trace.zst",
		 folder ? folder : TRACE_DIR, name);
	f = fopen(path, "re");
	if (f && packed)
		len = fread(packed, 1, MOST_BYTES, f);
	err = len ? unpack(t, packed, len) : -ENOENT;
	if (f)
		fclose(f);
	free(packed);
	return err;
}

/* ---- Both --------------------------------------------------------------- */

static int measure(struct trace *t)
{
	uint32_t last = 0, now = 0;
	bool *has;

	for (size_t i = 0; i < t->len; i++)
		last = trace_page(t, i) > last ? trace_page(t, i) : last;
	t->npages = (last | (MM_BLOCK_PAGES - 1)) + 1;
	has = calloc(t->npages, sizeof(*has));
	if (!has)
		return -ENOMEM;
	for (size_t i = 0; i < t->len; i++) {
		bool *h = &has[trace_page(t, i)], comes = !trace_frees(t, i);

		now += (uint32_t)comes - *h;
		*h = comes;
		t->peak = now > t->peak ? now : t->peak;
	}
	free(has);
	return 0;
}

int trace_open(struct trace *t, const char *name)
{
	int err;

	memset(t, 0, sizeof(*t));
	err = trace_is_recorded(name) ? read_trace(t, name) :
					make_trace(t, name);
	if (!err)
		err = measure(t);
	if (err)
		trace_close(t);
	return err;
}

void trace_close(struct trace *t)
{
	free(t->entry);
	t->entry = NULL;
}
