// SPDX-License-Identifier: MIT
/*
 * Does a fault cost more with very many regions, or in a very large sparse one,
 * than in one region of 1 GiB?
 *
 * The same number of pages is away in each.  The pages are touched in random
 * order, and looked up by a snapshot.  The figure of the bare primitive in such
 * a range is printed too: the page table is colder there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "harness.h"

#define GIB	    ((size_t)1 << 30)
#define NR_TOUCHED  4096u
#define MAX_REGIONS 100000u

/* @stride: bytes from one touched page to the next */
struct world {
	struct ours ours;
	char *mem;
	size_t len, stride;
	unsigned regions;
};

static uint32_t *order;
static uint64_t ns[NR_TOUCHED];
static unsigned nr_touched = NR_TOUCHED;

static char *page_of(const struct world *w, unsigned i)
{
	return w->mem + i * w->stride;
}

/* The limit of mappings of a process, less a reserve. */
static unsigned max_regions(const struct bench_run *run)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned n = 65530;

	if (f) {
		if (fscanf(f, "%u", &n) != 1)
			n = 65530;
		fclose(f);
	}
	n = n > 4000 ? n - 4000 : n / 2;
	if (bench_quick(run))
		n = n < 8192 ? n : 8192;
	return n < MAX_REGIONS ? n : MAX_REGIONS;
}

static int world_open(struct world *w, size_t len, unsigned regions)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_INLINE };
	int err = ours_open(&w->ours, &p, "ram:64M");

	if (err)
		return err;
	w->regions = regions;
	w->len = regions ? 2 * regions * PAGE : len;
	w->stride = w->len / nr_touched & ~(2 * PAGE - 1);
	w->mem = map_pages(w->len, false);
	for (unsigned i = 0; i < regions; i++)
		munmap(w->mem + (2 * i + 1) * PAGE, PAGE);
	for (unsigned i = 0; !err && i < regions; i++)
		err = uhmm_register(w->ours.u, w->mem + 2 * i * PAGE, PAGE);
	if (!err && !regions)
		err = uhmm_register(w->ours.u, w->mem, w->len);
	if (err)
		bench_die("uhmm_register", err);
	for (unsigned i = 0; i < nr_touched; i++)
		*page_of(w, i) = 1;
	return 0;
}

static void world_close(struct world *w)
{
	ours_close(&w->ours);
	munmap(w->mem, w->len);
}

static struct latency faults(struct world *w)
{
	for (unsigned i = 0; i < nr_touched; i++)
		ours_move(&w->ours, page_of(w, i), PAGE, w->ours.dev);
	warm(nr_touched * PAGE);
	for (unsigned i = 0; i < nr_touched; i++) {
		volatile char *page = page_of(w, order[i]);
		uint64_t start = now_ns();

		*page = 1;
		ns[i] = now_ns() - start;
	}
	return latency_of(ns, nr_touched);
}

static struct latency look_ups(struct world *w)
{
	for (unsigned i = 0; i < nr_touched; i++) {
		char *page = page_of(w, order[i]);
		uint64_t start = now_ns();
		uhmm_pfn_t pfn;

		if (uhmm_snapshot(w->ours.u, page, PAGE, &pfn))
			bench_die("uhmm_snapshot", EINVAL);
		ns[i] = now_ns() - start;
	}
	return latency_of(ns, nr_touched);
}

static void compare(struct bench_run *run, const char *name, struct world *one,
		    struct world *w)
{
	struct result f = { 0 }, l = { 0 };
	char text[64];

	company_begin(ALONE);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		struct latency a = faults(one), b = faults(w);

		result_add(&f, b.p50, a.p50);
		series_add(&f.p99, b.p99);
		a = look_ups(one);
		b = look_ups(w);
		result_add(&l, b.p50, a.p50);
		series_add(&l.p99, b.p99);
	}
	company_end();
	snprintf(text, sizeof(text), "fault-%s", name);
	at_most(run, text, ALONE, "us", 1.2, &f);
	snprintf(text, sizeof(text), "look-up-%s", name);
	at_most(run, text, ALONE, "us", 1.2, &l);
}

/* The bare primitive in a range as sparse as that. */
static struct latency bare_faults(struct bare *b, size_t stride)
{
	for (unsigned i = 0; i < nr_touched; i++)
		madvise(b->reg + i * stride, PAGE, MADV_DONTNEED);
	bare_signal_begin(b);
	warm(nr_touched * PAGE);
	for (unsigned i = 0; i < nr_touched; i++) {
		volatile char *page = b->reg + order[i] * stride;
		uint64_t start = now_ns();

		*page = 1;
		ns[i] = now_ns() - start;
	}
	bare_signal_end();
	return latency_of(ns, nr_touched);
}

static char one_page[MAX_PAGE] __attribute__((aligned(65536)));

static void resolve(struct bare *b, char *addr)
{
	bare_copy(b->uffd, addr, one_page, PAGE);
}

static void compare_bare(struct bench_run *run, const char *name, size_t len)
{
	struct bare one = { .len = GIB, .dev = one_page };
	struct bare big = { .len = len, .dev = one_page };
	struct result f = { 0 };

	one.reg = map_pages(one.len + BLOCK, false);
	big.reg = map_pages(big.len + BLOCK, false);
	bare_open(&one, true);
	bare_open(&big, true);
	one.resolve = big.resolve = resolve;
	company_begin(ALONE);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		struct latency a = bare_faults(&one, one.len / nr_touched);
		struct latency b = bare_faults(&big, big.len / nr_touched);

		result_add(&f, b.p50, a.p50);
	}
	company_end();
	at_most(run, name, ALONE, "us", 0, &f);
	bare_close(&one);
	bare_close(&big);
	munmap(one.reg, one.len + BLOCK);
	munmap(big.reg, big.len + BLOCK);
}

static int many(struct bench_run *run)
{
	size_t sparse = bench_quick(run) ? 64 * GIB : 1024 * GIB;
	struct world one, w;
	unsigned n = max_regions(run);
	char name[32];
	int err = bare_check();

	nr_touched = bench_quick(run) ? NR_TOUCHED / 4 : NR_TOUCHED;
	if (!err)
		err = world_open(&one, GIB, 0);
	if (err)
		return err;
	order = shuffled(nr_touched);
	world_open(&w, sparse, 0);
	compare(run, "sparse-1T", &one, &w);
	world_close(&w);
	compare_bare(run, "fault-sparse-1T-bare", sparse);
	world_open(&w, 0, n);
	snprintf(name, sizeof(name), "%u-regions", n);
	compare(run, name, &one, &w);
	world_close(&w);
	world_close(&one);
	free(order);
	return 0;
}

const struct bench bench_many = {
	"many",
	"very many regions, and a sparse one of 1 TiB, against one of 1 GiB",
	many,
};
