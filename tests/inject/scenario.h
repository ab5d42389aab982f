/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - a short life of a context in which every kind of call is made,
 * and the sweep: the n-th call of src/sys fails, for n = 1, 2, 3, ...
 *
 * No call is obliged to succeed, but what it answers must be documented; one
 * failure never loses a page, nor leaves anything behind.
 */
#ifndef UHMM_TEST_SCENARIO_H
#define UHMM_TEST_SCENARIO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/uhmm.h>

/*
 * The address space, NR_PAGES pages from @base on, which begins a block.
 * @read, @write: the first words of a page, by the CPU: 0, or what went wrong
 */
#define NR_PAGES 640

struct place {
	char *base;
	int (*open)(struct place *p, struct uhmm **ret_u);
	void (*map)(struct place *p, size_t page, size_t n);
	void (*unmap)(struct place *p, size_t page, size_t n);
	void (*discard)(struct place *p, size_t page, size_t n);
	int (*read)(struct place *p, size_t page, uint64_t *ret, size_t n);
	int (*write)(struct place *p, size_t page, const uint64_t *words,
		     size_t n);
	/* After uhmm_close(), before the next open(). */
	void (*let_go)(struct place *p);
	uint64_t patience; /* seconds that one run may take */
	void *priv;
};

/*
 * All n, or the one in argv[1]; a failure prints it.  Ordinarily a
 * sample, another one in each run; all n by ./check soak.
 */
int sweep_main(int argc, char **argv, struct place *p);

#endif
