/* SPDX-License-Identifier: MIT */
/*
 * trace.h - which pages a program touched, in order.
 *
 * Traces of programs were recorded with scripts/record-trace; the others are
 * made by a rule.
 */
#ifndef UHMM_BENCH_TRACE_H
#define UHMM_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * @entry: a page, shifted by one; the lowest bit: the program gave it back
 * @npages: all pages are below that, a multiple of those of a block
 * @peak: how many pages there were at most
 */
struct trace {
	uint32_t *entry;
	size_t len;
	uint32_t npages, peak;
};

static inline uint32_t trace_page(const struct trace *t, size_t at)
{
	return t->entry[at] >> 1;
}

static inline bool trace_frees(const struct trace *t, size_t at)
{
	return t->entry[at] & 1;
}

/* The names of all traces; NULL ends the list. */
extern const char *const trace_names[];
/* Was it recorded?  Then LRU is what it is measured by. */
bool trace_is_recorded(const char *name);
/*
 * -ENOENT: the file is not installed; -EOPNOTSUPP: this build has no zstd;
 * -EINVAL: the file is no trace
 */
int trace_open(struct trace *t, const char *name);
void trace_close(struct trace *t);

/* The result of a policy: faults, and touches of parked pages. */
struct replay {
	uint64_t faults, soft;
};

/* The fewest faults that are possible with @ram pages (Belady's MIN). */
struct replay replay_min(const struct trace *t, uint32_t ram);
struct replay replay_lru(const struct trace *t, uint32_t ram);
struct replay replay_clock(const struct trace *t, uint32_t ram);
/* The one of cold.c: it sees faults, and nothing else. */
struct replay replay_cold(const struct trace *t, uint32_t ram);

#endif
