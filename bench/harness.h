/* SPDX-License-Identifier: MIT */
/*
 * harness.h - what the benchmarks share: clock, CPUs, memory, rounds.
 *
 * DOC: How to measure here
 *
 * The bare primitive and uhmm take turns, round by round, in one process, so
 * that other load on the machine meets both; the figure is the median of the
 * rounds' ratios.  The measuring thread is pinned to the first CPU that it may
 * use, and the "second thread" spins on the second one.  Memory is touched just
 * before it is timed: a hypervisor that takes free memory back makes a first
 * touch five times slower (warm()).
 */
#ifndef UHMM_BENCH_HARNESS_H
#define UHMM_BENCH_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <uhmm/uhmm.h>

#include "bench.h"

#define PAGE	    uhmm_page_size()
#define BLOCK	    ((size_t)2 << 20)
#define BLOCK_PAGES (BLOCK / PAGE)
#define MIB	    ((size_t)1 << 20)
#define MAX_ROUNDS  64
/* The largest page size of any system, for arrays. */
#define MAX_PAGE	((size_t)65536)
#define MAX_BLOCK_PAGES (BLOCK / 4096)

/* End the program: the measurement cannot go on. */
_Noreturn void bench_die(const char *what, int err);

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- CPUs ------------------------------------------------------------- */

unsigned nr_cpus(void);
/* Pin the calling thread to the n-th CPU that the process may use. */
void pin(unsigned n);
void unpin(void);

/* The conditions of a measurement. */
enum company {
	ALONE,
	BESIDE, /* a second thread spins on the second CPU */
	NR_COMPANY,
	TOGETHER = NR_COMPANY, /* both on one CPU; not for company_begin() */
};

const char *company_name(enum company c);
/* Pin the caller, and start the second thread if @c needs one. */
bool company_begin(enum company c);
void company_end(void);

/* Start a program that writes to nobody.  Return: its process; 0: it cannot. */
pid_t spawn_quietly(const char *const *argv);

/* ---- Memory ----------------------------------------------------------- */

/* Map memory that starts on a block, in pages of 4 KiB or (@huge) of 2 MiB. */
void *map_pages(size_t len, bool huge);
/* Write to each page. */
void touch(void *p, size_t len, int value);
/* Touch and free @len bytes, so that the hypervisor backs that much memory. */
void warm(size_t len);
/* A number in /proc/self/status, as "VmRSS:", in bytes. */
size_t status_bytes(const char *field);
/* 0..n-1 in a random order that is the same in each run. */
uint32_t *shuffled(size_t n);

/* ---- Results ---------------------------------------------------------- */

struct series {
	double v[MAX_ROUNDS];
	unsigned n;
};

void series_add(struct series *s, double v);
double series_median(const struct series *s);

struct result {
	struct series ours, bare, ratio, p99;
};

/* One round; @bare may be 0. */
void result_add(struct result *r, double ours, double bare);
/* A bar of 0: there is no bar. */
void at_most(struct bench_run *run, const char *name, enum company c,
	     const char *unit, double bar, const struct result *r);
void at_least(struct bench_run *run, const char *name, enum company c,
	      const char *unit, double bar, const struct result *r);

/* Durations of one operation, in microseconds. */
struct latency {
	double p50, p99;
};

struct latency latency_of(uint64_t *ns, size_t n);

/* The number of rounds: @full, or 2 in a quick run. */
unsigned rounds(const struct bench_run *run, unsigned full);

/* GB/s of @len bytes in @ns. */
static inline double gbps(size_t len, uint64_t ns)
{
	return ns ? (double)len / (double)ns : 0;
}

/* ---- uhmm ------------------------------------------------------------- */

struct ours {
	struct uhmm *u;
	struct uhmm_device *dev;
};

/* Return: 0; -EOPNOTSUPP where userfaultfd is missing or forbidden; -errno */
int ours_open(struct ours *o, const struct uhmm_params *params,
	      const char *spec);
void ours_close(struct ours *o);
/* Move all of the range; @dev NULL: home.  Ends the program if a page stays. */
void ours_move(struct ours *o, void *p, size_t len, struct uhmm_device *dev);

#endif
