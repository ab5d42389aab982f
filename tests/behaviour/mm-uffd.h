/* SPDX-License-Identifier: MIT */
/*
 * mm-uffd.h - what the files of the test mm-uffd share: a tiny client that
 * stands in for the core.  It has one byte of state for each page of one area
 * and a copy of what is away.
 */
#ifndef TEST_MM_UFFD_H
#define TEST_MM_UFFD_H

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/uhmm.h>

#include "mm/mm.h"
#include "sys/lock.h"
#include "sys/sys.h"

enum {
	BLOCKS = 2,
	PAGES = BLOCKS * 512,
	SLOTS = 8
};
#define AREA (BLOCKS * MM_BLOCK_SIZE)

enum state {
	RAM,
	AWAY,
	HELD,
	LOST
};

struct area {
	struct mm *mm;
	char *area;	       /* tracked */
	char *device;	       /* what is AWAY, sys_alloc'd */
	struct sys_mutex lock; /* of all below */
	_Atomic uint8_t state[PAGES];
	_Atomic unsigned discards[PAGES];
	_Atomic unsigned faults, wp_faults, waits;
	_Atomic uintptr_t unmapped, remapped_to;
	_Atomic uint32_t held; /* a fault waits for a HELD page */
};

extern struct area t;
extern const struct mm_client client;
extern const char *config; /* which one runs */
extern int failures;
extern bool sweeping; /* freeze() may take neighbours along */

/* Each is of the program's configuration; NULL ends them. */
typedef void test_fn(void);
extern test_fn *const freeze_tests[], *const event_tests[];

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("%s: line %d: %s\n", config, __LINE__, #cond); \
			failures++;                                           \
		}                                                             \
	} while (0)

/* ---- mm-uffd-client.c ---- */

char *page(unsigned i);
void fill_area(unsigned first, unsigned last, unsigned seed);
bool area_is(unsigned first, unsigned last, unsigned seed);
void map_area(int advice);
void track_area(void);
void unmap_area(void);
/* Freeze pages of the first block into a slot of its own. */
struct mm_freeze *freeze(unsigned first, unsigned last, unsigned step);
void set_states(const struct mm_set *set, int state);
/* Take the pages of @f->left by their mapping. */
void stash(struct mm_freeze *f);
/* Move what was frozen to the device. */
unsigned send_away(struct mm_freeze *f);
bool has(const char *feature);

/* ---- mm-uffd-events.c ---- */

void bus_handler(int sig, siginfo_t *info, void *context);

#endif
