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

static void report(struct bench_run *run, const char *name, const char *what,
		   unsigned percent, struct bench_figure f)
{
	char text[64], where[32];

	snprintf(text, sizeof(text), "%s-%s", name, what);
	snprintf(where, sizeof(where), "%u%% of RAM", percent);
	f.name = text;
	f.condition = where;
	f.unit = "1";
	bench_report(run, &f);
}

static struct bench_figure faults(struct replay got, struct replay lru,
				  double bar)
{
	return (struct bench_figure){
		.value = (double)got.faults,
		.bare = (double)lru.faults,
		.ratio = (double)got.faults / (double)lru.faults,
		.bar = bar,
	};
}

/* Touches of parked pages: each costs a soft fault. */
static struct bench_figure soft(struct replay got)
{
	return (struct bench_figure){ .value = (double)got.soft };
}

static void run_policies(struct bench_run *run, const char *name,
			 const struct trace *t, unsigned percent)
{
	uint32_t ram = t->peak / 100 * percent;
	struct replay lru = replay_lru(t, ram);
	struct replay ours = replay_cold(t, ram);
	bool passes = !strcmp(name, "loop") || !strcmp(name, "scan");

	report(run, name, "min", percent, faults(replay_min(t, ram), lru, 0));
	report(run, name, "clock", percent,
	       faults(replay_clock(t, ram), lru, 0));
	report(run, name, "two-lists", percent,
	       faults(ours, lru, passes ? 0.99 : 1.10));
	report(run, name, "soft", percent, soft(ours));
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
