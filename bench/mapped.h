/* SPDX-License-Identifier: MIT */
/* mapped.h - a part of the benchmark "file": mapped.c */
#ifndef UHMM_BENCH_MAPPED_H
#define UHMM_BENCH_MAPPED_H

struct bench_run;

int measure_mapped(struct bench_run *run);

#endif
