// SPDX-License-Identifier: MIT
/*
 * The benchmarks that "uhmm bench" runs, in this order.
 */
#include "bench.h"

extern const struct bench bench_coherent, bench_fault_inline,
	bench_fault_threads, bench_fault_zero, bench_fault_pair, bench_file,
	bench_limit_fault, bench_limit_dirty, bench_mirror, bench_move_bulk,
	bench_move_single, bench_scatter, bench_stream_inline,
	bench_stream_threads, bench_zram, bench_meta, bench_many, bench_policy,
	bench_program, bench_opencl;

const struct bench *const bench_table[] = {
	&bench_fault_inline,
	&bench_fault_threads,
	&bench_fault_zero,
	&bench_fault_pair,
	&bench_limit_fault,
	&bench_limit_dirty,
	&bench_mirror,
	&bench_move_bulk,
	&bench_move_single,
	&bench_scatter,
	&bench_stream_inline,
	&bench_stream_threads,
	&bench_zram,
	&bench_file,
	&bench_coherent,
	&bench_meta,
	&bench_many,
	&bench_policy,
	&bench_program,
#if WITH_OPENCL
	&bench_opencl,
#endif
	NULL,
};
