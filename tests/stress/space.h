/* SPDX-License-Identifier: MIT */
/*
 * space.h - the pages of the threads that change the address space.
 *
 * Runs of RUN pages are in turn the first changer's and the second one's.  A
 * changer changes its own runs only, each call within one of them, so it knows
 * what has to be read there.  The other's lie beside them.
 */
#ifndef UHMM_TEST_SPACE_H
#define UHMM_TEST_SPACE_H

#include <sched.h>

#include "../mirror.h"

#define NCHANGERS 2
#define RUN	  16
#define NRUNS	  6
#define NPAGES	  (RUN * NRUNS)
#define NHEAP	  4

struct op;

/*
 * @tag: of the last data
 * @page, @word: what it wrote to a page of the other
 * @is: how often that run was changed before; odd: see nothing in it
 * @past: its last calls, for the message of a failure
 */
struct changer {
	unsigned nr;
	uint64_t seed, tag;
	size_t page;
	uint64_t word;
	unsigned long is;
	unsigned long nr_past;
	struct {
		const struct op *op;
		size_t i, n;
	} past[8];
};

/*
 * @seldom: made once where others are made so many times
 * @is_first: for the first changer only
 */
struct op {
	const char *name;
	/* False: there was nothing that it could be done to. */
	bool (*run)(struct changer *c, size_t i, size_t n);
	unsigned seldom;
	bool is_first;
};

extern const struct op ops[];
extern const size_t nr_ops;

/* @spare: twice as large; @heap: NHEAP pages below the break, or NULL */
extern struct uhmm *u;
extern char *area, *spare;
extern _Atomic(char *) heap;
extern uint64_t want[NPAGES];

static inline char *at(size_t i)
{
	return area + i * PAGE;
}

static inline char *spare_at(size_t i)
{
	return spare + 2 * i * PAGE;
}

/* The first word of a page is its changer's. */
static inline uint64_t word_at(const char *p)
{
	return *(const volatile uint64_t *)p;
}

void open_spare_file(void);
void fill(struct changer *c, size_t i, size_t n);
/* Pages from @i to @last have the data that they should. */
void verify(const struct changer *c, size_t i, size_t last);
void map_anon(char *p, size_t n, int flags);
/* The others get on, or do not. */
void pause_at_random(struct changer *c);

#endif
