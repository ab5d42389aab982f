/* SPDX-License-Identifier: MIT */
/*
 * wrap.h - the base of all wrappers: a device that forwards every call.
 *
 * A wrapper has a table of its own in its private memory: a callback that the
 * device below lacks must be NULL in the wrapper too.
 */
#ifndef WRAP_H
#define WRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uhmm/provider.h>

/* The calls that a wrapper can be limited to. */
enum wrap_call {
	WRAP_TO_DEV = 1u << 0,
	WRAP_TO_RAM = 1u << 1,
	WRAP_CLEAR = 1u << 2,
	WRAP_ANY = WRAP_TO_DEV | WRAP_TO_RAM | WRAP_CLEAR,
};

#define WRAP_OP_HELP "which calls: to_dev, to_ram, clear or any"

/* First member of each wrapper's own struct. */
struct wrap {
	struct uhmm_device_ops ops; /* the wrapper's own, some replaced */
	const struct uhmm_device_ops *inner;
	void *priv; /* of the device below */
	size_t size;
};

/*
 * Make a wrapper's struct of @size bytes, and the description of a device that
 * forwards every call of the device below.  From then on the wrapper owns that
 * device, and release() releases both.  Return: NULL when there is no memory.
 */
void *wrap_new(size_t size, const struct uhmm_device_desc *inner,
	       void *inner_priv, struct uhmm_device_desc *desc);

/* The release() of a wrapper that does not replace it. */
void wrap_release(void *priv);

uint64_t wrap_now_ns(void);
size_t wrap_count_pages(const struct uhmm_segment *seg, size_t nr);

/*
 * Parse the value of option "op", or of @key, which is @most at most.  Return:
 * 0, or -EINVAL with a sentence (uhmm_provider_fail()).
 */
int wrap_parse_calls(const char *s, unsigned *ret_calls);
int wrap_parse_number(const char *key, const char *s, uint64_t most,
		      uint64_t *ret);
/* True: @s is decimal digits that fit into *@ret. */
bool wrap_read_number(const char *s, uint64_t *ret);

#endif
