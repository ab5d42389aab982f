// SPDX-License-Identifier: MIT
/*
 * Traces of page touches against the choice of cold pages of cold.c, LRU, CLOCK
 * and the optimum, with three sizes of RAM: how many faults there are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "trace.h"

static void report_faults(struct bench_run *run, const char *name,
			  unsigned percent, const char *policy,
			  struct replay got, struct replay lru, double bar)
{
	char text[64], where[32];
	struct bench_figure f = {
		.name = text,
		.condition = where,
		.unit = "1",
		.value = (double)got.faults,
		.bare = (double)lru.faults,
		.ratio = (double)got.faults / (double)lru.faults,
		.bar = bar,
	};

	snprintf(text, sizeof(text), "%s-%s", name, policy);
	snprintf(where, sizeof(where), "%u%% of RAM", percent);
	bench_report(run, &f);
}

/* Touches of parked pages: each costs a soft fault. */
static void report_soft(struct bench_run *run, const char *name,
			unsigned percent, struct replay got)
{
	char text[64], where[32];
	struct bench_figure f = {
		.name = text,
		.condition = where,
		.unit = "1",
		.value = (double)got.soft,
	};

	snprintf(text, sizeof(text), "%s-soft", name);
	snprintf(where, sizeof(where), "%u%% of RAM", percent);
	bench_report(run, &f);
}

static void run_policies(struct bench_run *run, const char *name,
			 const struct trace *t, unsigned percent)
{
	uint32_t ram = t->peak / 100 * percent;
	struct replay lru = replay_lru(t, ram);
	struct replay ours = replay_cold(t, ram);
	bool passes = !strcmp(name, "loop") || !strcmp(name, "scan");

	report_faults(run, name, percent, "min", replay_min(t, ram), lru, 0);
	report_faults(run, name, percent, "clock", replay_clock(t, ram), lru,
		      0);
	report_faults(run, name, percent, "two-lists", ours, lru,
		      passes ? 0.99 : 1.10);
	report_soft(run, name, percent, ours);
}

static int bench_one_trace(struct bench_run *run, const char *name)
{
	struct trace t;
	int err = trace_open(&t, name);

	if (err == -ENOENT) /* as if there were no zstd */
		err = -EOPNOTSUPP;
	if (err)
		return err;
	for (unsigned percent = 75; percent >= 25; percent -= 25)
		run_policies(run, name, &t, percent);
	trace_close(&t);
	return 0;
}

/* Traces that cannot be read are left out. */
static int policy_bench(struct bench_run *run)
{
	int ret = 0;

	for (int i = 0; trace_names[i]; i++) {
		int err = bench_one_trace(run, trace_names[i]);

		if (err && err != -EOPNOTSUPP)
			return err;
		ret = err ? err : ret;
	}
	return ret;
}

const struct bench bench_policy = {
	"policy",
	"faults of recorded touches by a choice of cold pages, against LRU",
	policy_bench,
};
