/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what a benchmark is, to "uhmm bench".
 *
 * A benchmark is one function.  It measures one thing, under each condition
 * that matters (alone, with a second thread running), and reports a figure for
 * each.  A figure is a ratio to something measured in the same run wherever
 * that makes sense: to the bare primitive, or to a copy with non-temporal
 * stores.  Absolute numbers differ between machines; ratios less.
 *
 * To add one: write it in a file of its own (harness.h has what they share,
 * bare.h the primitives), declare it in table.c and put it into the table.
 */
#ifndef UHMM_BENCH_H
#define UHMM_BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct bench_run; /* the tool's; passed through */

/**
 * struct bench_figure - one line of the result
 * @name: what was measured, as "fault-inline-p50"; no blanks
 * @condition: "alone", "second thread", or NULL
 * @unit: of @value and @bare: "us", "GB/s", "1/s", "B"
 * @value: the median over the rounds
 * @p99: of @value; 0 where it has none
 * @min, @max: of @value over the rounds
 * @bare: the same of what it is compared with; 0: nothing
 * @ratio: the median of each round's own @value / @bare; 0: no @bare
 * @bar: what @ratio, or without @bare @value, should reach; 0: none is set
 * @more_is_better: it should be at least @bar, else at most
 */
struct bench_figure {
	const char *name;
	const char *condition;
	const char *unit;
	double value;
	double p99;
	double min, max;
	double bare;
	double ratio;
	double bar;
	bool more_is_better;
};

/** bench_report() - print or collect @f; strings need not outlive the call */
void bench_report(struct bench_run *run, const struct bench_figure *f);

/** bench_quick() - fewer repetitions are wanted: a trial, not a result */
bool bench_quick(const struct bench_run *run);

/**
 * struct bench - a benchmark
 * @name: what filters match
 * @what: one line
 * @fn: 0; -EOPNOTSUPP when this machine cannot run it; -errno
 */
struct bench {
	const char *name;
	const char *what;
	int (*fn)(struct bench_run *run);
};

/* All benchmarks; NULL ends the list. */
extern const struct bench *const bench_table[];

#endif
