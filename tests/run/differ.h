/* SPDX-License-Identifier: MIT */
/* differ.h - the state of a program that does random things, see differ.c */
#ifndef UHMM_TEST_DIFFER_H
#define UHMM_TEST_DIFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define PAGE   ((size_t)4096)
#define NAREAS 12
#define NFILES 24 /* descriptors that the program uses, from 3 on */

/*
 * @p: NULL where there is none
 * @n: pages
 * @is_split: no more one mapping, perhaps
 */
struct area {
	unsigned char *p;
	size_t n;
	bool is_shared, is_heap, is_split;
};

extern struct area areas[NAREAS];
extern uint64_t seed;

static inline size_t below(size_t n)
{
	return test_below(&seed, n);
}

/* One line of the trace. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

uint64_t hash(const void *p, size_t len);
void stamp(void *p, size_t len, uint64_t tag);

/* An area with pages, or NULL; never one that malloc(3) gave, if @mapped. */
struct area *any_area(bool mapped);

struct step {
	const char *name;
	void (*run)(void);
};

/* Each ends with one that has no name. */
extern const struct step memory_steps[], file_steps[], process_steps[];

/* @n steps. */
void run_steps(size_t n);

#endif
