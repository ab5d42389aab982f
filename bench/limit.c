// SPDX-License-Identifier: MIT
/*
 * Touches of memory with a RAM limit of a quarter of it, so that each page that
 * comes home sends another one away.
 *
 * The touches repeat one random order: the page touched next is the one that
 * was away longest, and every touch faults.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define LEN (64 * MIB)

struct limited {
	struct ours free, held; /* contexts without and with a limit */
	char *calm, *mem;	/* their memory */
	uint32_t *order;
	uint64_t *ns;
	size_t len, npages;
};

static int limited_open(struct limited *l, struct bench_run *run, uint32_t mode)
{
	struct uhmm_params p = { .fault_mode = mode };
	int err;

	memset(l, 0, sizeof(*l));
	l->len = bench_quick(run) ? LEN / 2 : LEN;
	l->npages = l->len / PAGE;
	err = ours_open(&l->free, &p, "ram:128M");
	if (err)
		return err;
	p.ram_limit = l->len / 4;
	err = ours_open(&l->held, &p, "ram:128M");
	if (err) {
		ours_close(&l->free);
		return err;
	}
	l->calm = map_pages(l->len, false);
	l->mem = map_pages(l->len, false);
	l->order = shuffled(l->npages);
	l->ns = malloc(l->npages * sizeof(*l->ns));
	touch(l->calm, l->len, 1);
	err = uhmm_register(l->held.u, l->mem, l->len);
	if (err)
		bench_die("uhmm_register", err);
	return 0;
}

static void limited_close(struct limited *l)
{
	ours_close(&l->free);
	ours_close(&l->held);
	munmap(l->calm, l->len);
	munmap(l->mem, l->len);
	free(l->order);
	free(l->ns);
}

/* ---- Faults ----------------------------------------------------------- */

static struct latency touch_all(struct limited *l, char *p)
{
	for (size_t i = 0; i < l->npages; i++) {
		volatile char *page = p + l->order[i] * PAGE;
		uint64_t start = now_ns();

		*page = 1;
		l->ns[i] = now_ns() - start;
	}
	return latency_of(l->ns, l->npages);
}

static void fault_rounds(struct bench_run *run, struct limited *l,
			 const char *name)
{
	struct result p50 = { 0 }, p99 = { 0 };
	char text[64];

	company_begin(ALONE);
	touch_all(l, l->mem);
	for (unsigned r = 0; r < rounds(run, 5); r++) {
		struct latency calm, held;

		ours_move(&l->free, l->calm, l->len, l->free.dev);
		warm(l->len);
		calm = touch_all(l, l->calm);
		held = touch_all(l, l->mem);
		result_add(&p50, held.p50, calm.p50);
		result_add(&p99, held.p99, calm.p99);
	}
	company_end();
	snprintf(text, sizeof(text), "%s-p50", name);
	at_most(run, text, ALONE, "us", 1.5, &p50);
	snprintf(text, sizeof(text), "%s-p99", name);
	at_most(run, text, ALONE, "us", 3, &p99);
}

static int measure_faults(struct bench_run *run, const char *name,
			  uint32_t mode)
{
	struct limited l;
	int err = limited_open(&l, run, mode);

	if (err)
		return err;
	fault_rounds(run, &l, name);
	limited_close(&l);
	return 0;
}

static int limit_fault(struct bench_run *run)
{
	static const struct {
		const char *name;
		uint32_t mode;
	} kinds[] = {
		{ "evict-inline", UHMM_FAULTS_INLINE },
		{ "evict-threads", UHMM_FAULTS_THREADS },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(kinds) / sizeof(*kinds); i++)
		err = measure_faults(run, kinds[i].name, kinds[i].mode);
	return err;
}

/* ---- Steady dirtying -------------------------------------------------- */

/* To the device and home again, in runs of 2 MiB, without a limit. */
static uint64_t there_and_back(struct limited *l)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < l->len; i += BLOCK)
		ours_move(&l->free, l->calm + i, BLOCK, l->free.dev);
	for (size_t i = 0; i < l->len; i += BLOCK)
		ours_move(&l->free, l->calm + i, BLOCK, NULL);
	return now_ns() - start;
}

static uint64_t dirty(struct limited *l)
{
	uint64_t start = now_ns();

	touch(l->mem, l->len, 1);
	return now_ns() - start;
}

static int measure_dirty(struct bench_run *run, const char *name, uint32_t mode)
{
	struct limited l;
	struct result f = { 0 };
	int err = limited_open(&l, run, mode);

	if (err)
		return err;
	company_begin(ALONE);
	dirty(&l);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		double bare = gbps(l.len, there_and_back(&l));

		dirty(&l);
		result_add(&f, gbps(l.len, dirty(&l)), bare);
	}
	company_end();
	at_least(run, name, ALONE, "GB/s", 0.7, &f);
	limited_close(&l);
	return 0;
}

static int limit_dirty(struct bench_run *run)
{
	int err = measure_dirty(run, "dirty-inline", UHMM_FAULTS_INLINE);

	return err ? err :
		     measure_dirty(run, "dirty-threads", UHMM_FAULTS_THREADS);
}

const struct bench bench_limit_fault = {
	"limit-fault",
	"faults while RAM is limited to a quarter, against those without",
	limit_fault,
};

const struct bench bench_limit_dirty = {
	"limit-dirty",
	"writing in sequence with RAM limited to a quarter",
	limit_dirty,
};
