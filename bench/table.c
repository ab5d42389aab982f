// SPDX-License-Identifier: MIT
/*
 * The benchmarks that "uhmm bench" runs, in this order.
 */
#include "bench.h"

const struct bench *const bench_table[] = {
	NULL,
};
