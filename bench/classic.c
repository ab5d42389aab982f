// SPDX-License-Identifier: MIT
/*
 * Policies that know all touches: MIN, which knows those to come as well, LRU
 * and CLOCK.  The policy of cold.c sees less; see replay.c.
 */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "trace.h"

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		bench_die("calloc", 12);
	return p;
}

/* ---- LRU and CLOCK: a ring of pages, the one that comes next first ------- */

struct ring {
	uint32_t *next, *prev, head, len;
	bool *in, *touched;
};

static void unlink_page(struct ring *r, uint32_t page)
{
	r->next[r->prev[page]] = r->next[page];
	r->prev[r->next[page]] = r->prev[page];
	r->in[page] = false;
	r->len--;
}

static void append_page(struct ring *r, uint32_t page)
{
	r->next[page] = r->head;
	r->prev[page] = r->prev[r->head];
	r->next[r->prev[page]] = page;
	r->prev[r->head] = page;
	r->in[page] = true;
	r->touched[page] = false;
	r->len++;
}

static void evict_first(struct ring *r)
{
	uint32_t page = r->next[r->head];

	while (r->touched[page]) {
		unlink_page(r, page);
		append_page(r, page);
		page = r->next[r->head];
	}
	unlink_page(r, page);
}

static struct replay replay_ring(const struct trace *t, uint32_t ram,
				 bool is_clock)
{
	uint32_t n = t->npages + 1;
	struct ring r = { .next = zeroed(n, sizeof(*r.next)),
			  .prev = zeroed(n, sizeof(*r.prev)),
			  .in = zeroed(n, sizeof(*r.in)),
			  .touched = zeroed(n, sizeof(*r.touched)),
			  .head = t->npages };
	struct replay ret = { .faults = 0 };

	r.next[r.head] = r.prev[r.head] = r.head;
	for (size_t i = 0; i < t->len; i++) {
		uint32_t page = trace_page(t, i);
		bool frees = trace_frees(t, i), hit = r.in[page];

		if (hit && is_clock && !frees) {
			r.touched[page] = true;
			continue;
		}
		if (hit)
			unlink_page(&r, page);
		if (frees)
			continue;
		ret.faults += !hit;
		if (r.len == ram)
			evict_first(&r);
		append_page(&r, page);
	}
	free(r.next);
	free(r.prev);
	free(r.in);
	free(r.touched);
	return ret;
}

struct replay replay_lru(const struct trace *t, uint32_t ram)
{
	return replay_ring(t, ram, false);
}

struct replay replay_clock(const struct trace *t, uint32_t ram)
{
	return replay_ring(t, ram, true);
}

/* ---- MIN: a heap of pages by their next touch, with stale entries -------- */

#define NEVER UINT32_MAX

struct heap {
	uint64_t *at; /* next touch, page */
	size_t len;
};

static void heap_push(struct heap *h, uint64_t v)
{
	size_t k = h->len++;

	for (; k && h->at[(k - 1) / 2] < v; k = (k - 1) / 2)
		h->at[k] = h->at[(k - 1) / 2];
	h->at[k] = v;
}

static uint64_t heap_pop(struct heap *h)
{
	uint64_t top = h->at[0], v = h->at[--h->len];
	size_t k = 0;

	for (size_t child = 1; child < h->len; child = 2 * k + 1) {
		if (child + 1 < h->len && h->at[child + 1] > h->at[child])
			child++;
		if (h->at[child] <= v)
			break;
		h->at[k] = h->at[child];
		k = child;
	}
	h->at[k] = v;
	return top;
}

/* When is the page of each entry touched next? */
static uint32_t *next_touches(const struct trace *t)
{
	uint32_t *next = zeroed(t->len, sizeof(*next));
	uint32_t *last = zeroed(t->npages, sizeof(*last));

	memset(last, 0xff, t->npages * sizeof(*last));
	for (size_t i = t->len; i-- > 0;) {
		uint32_t page = trace_page(t, i);

		next[i] = last[page];
		last[page] = trace_frees(t, i) ? NEVER : (uint32_t)i;
	}
	free(last);
	return next;
}

static void evict_last_used(struct heap *h, bool *in, const uint32_t *due)
{
	for (;;) {
		uint64_t v = heap_pop(h);
		uint32_t page = (uint32_t)v;

		if (!in[page] || due[page] != v >> 32)
			continue;
		in[page] = false;
		return;
	}
}

struct replay replay_min(const struct trace *t, uint32_t ram)
{
	struct heap h = { .at = zeroed(t->len + 1, sizeof(*h.at)) };
	uint32_t *next = next_touches(t), len = 0;
	uint32_t *due = zeroed(t->npages, sizeof(*due));
	bool *in = zeroed(t->npages, sizeof(*in));
	struct replay ret = { .faults = 0 };

	for (size_t i = 0; i < t->len; i++) {
		uint32_t page = trace_page(t, i);

		if (trace_frees(t, i)) {
			len -= in[page];
			in[page] = false;
			continue;
		}
		if (!in[page]) {
			ret.faults++;
			if (len == ram)
				evict_last_used(&h, in, due);
			else
				len++;
		}
		in[page] = true;
		due[page] = next[i];
		heap_push(&h, (uint64_t)next[i] << 32 | page);
	}
	free(h.at);
	free(next);
	free(due);
	free(in);
	return ret;
}
