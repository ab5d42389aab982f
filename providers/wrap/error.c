// SPDX-License-Identifier: MIT
/*
 * error.c - a wrapper that makes calls fail, to test all layers above.
 *
 *	error[(op=CALLS,nth=N,rate=1/N,count=N,errno=NAME,seed=N)]/...
 *
 * The calls named by op are counted.  A call fails if it is the nth or a later
 * one, if the dice say so (rate), and if fewer than count calls failed before.
 * Without options every call fails.  A call that fails does not reach the
 * device below.
 *
 * The dice depend on the seed and the call's number only, so a run on one
 * thread can be repeated.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "wrap.h"

struct error {
	struct wrap wrap;
	unsigned calls;	 /* enum wrap_call */
	uint64_t nth;	 /* the first call that may fail */
	uint64_t one_in; /* one in so many of those fails */
	uint64_t count;	 /* failures at most */
	uint64_t seed;
	int err; /* negative */
	_Atomic uint64_t seen;
	_Atomic uint64_t failed;
};

/* A well mixed function of the seed and the number. */
static uint64_t dice(uint64_t seed, uint64_t number)
{
	uint64_t z = (seed + number) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Count a failure.  False: there were @count already. */
static bool may_fail(struct error *e)
{
	uint64_t failed = atomic_load(&e->failed);

	do {
		if (failed == e->count)
			return false;
	} while (
		!atomic_compare_exchange_weak(&e->failed, &failed, failed + 1));
	return true;
}

static bool should_fail(struct error *e, enum wrap_call call)
{
	uint64_t number;

	if (!(e->calls & call))
		return false;
	number = atomic_fetch_add(&e->seen, 1) + 1;
	return number >= e->nth && dice(e->seed, number) % e->one_in == 0 &&
	       may_fail(e);
}

static int error_to_devmem(void *priv, const struct uhmm_segment *seg,
			   size_t nr)
{
	struct error *e = priv;

	if (should_fail(e, WRAP_TO_DEV))
		return e->err;
	return e->wrap.inner->copy_to_devmem(e->wrap.priv, seg, nr);
}

static int error_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct error *e = priv;

	if (should_fail(e, WRAP_TO_RAM))
		return e->err;
	return e->wrap.inner->copy_to_ram(e->wrap.priv, seg, nr);
}

static int error_clear(void *priv, uint64_t dpfn, size_t npages)
{
	struct error *e = priv;

	if (should_fail(e, WRAP_CLEAR))
		return e->err;
	return e->wrap.inner->clear(e->wrap.priv, dpfn, npages);
}

static int parse_errno(const char *s, int *ret_err)
{
	static const struct {
		const char *name;
		int err;
	} table[] = {
		{ "EIO", -EIO },
		{ "ENOSPC", -ENOSPC },
		{ "ENOMEM", -ENOMEM },
		{ "EAGAIN", -EAGAIN },
		{ "ENODEV", -ENODEV },
		{ "EINVAL", -EINVAL },
		{ "ETIMEDOUT", -ETIMEDOUT },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(s, table[i].name)) {
			*ret_err = table[i].err;
			return 0;
		}
	}
	return uhmm_provider_fail(
		-EINVAL,
		"errno=%s: write EIO, ENOSPC, ENOMEM, EAGAIN, ENODEV, EINVAL "
		"or ETIMEDOUT",
		s);
}

static int parse_rate(const char *s, uint64_t *ret_one_in)
{
	if (!strncmp(s, "1/", 2) && wrap_read_number(s + 2, ret_one_in) &&
	    *ret_one_in)
		return 0;
	return uhmm_provider_fail(
		-EINVAL, "rate=%s: write 1/N, where N is 1 or more", s);
}

static int parse(struct error *e, const char *const *values)
{
	if (wrap_parse_calls(values[0], &e->calls) ||
	    wrap_parse_number("nth", values[1], UINT64_MAX, &e->nth) ||
	    parse_rate(values[2], &e->one_in) ||
	    wrap_parse_number("count", values[3], UINT64_MAX, &e->count) ||
	    parse_errno(values[4], &e->err) ||
	    wrap_parse_number("seed", values[5], UINT64_MAX, &e->seed))
		return -EINVAL;
	if (!e->count)
		e->count = e->nth ? 1 : UINT64_MAX;
	return 0;
}

static int error_wrap(const char *const *values,
		      const struct uhmm_device_desc *inner, void *inner_priv,
		      struct uhmm_device_desc *desc, void **ret_priv)
{
	struct error parsed = { .calls = 0 }, *e;

	if (parse(&parsed, values))
		return -EINVAL;
	e = wrap_new(sizeof(*e), inner, inner_priv, desc);
	if (!e)
		return -ENOMEM;
	parsed.wrap = e->wrap;
	*e = parsed;
	e->wrap.ops.copy_to_devmem = error_to_devmem;
	e->wrap.ops.copy_to_ram = error_to_ram;
	if (inner->ops->clear)
		e->wrap.ops.clear = error_clear;
	if (e->calls & WRAP_TO_RAM)
		e->wrap.ops.direct = NULL; /* it would bypass the errors */
	*ret_priv = e;
	return 0;
}

static const struct uhmm_option options[] = {
	{ "op", "any", WRAP_OP_HELP },
	{ "nth", "0", "the first call that fails" },
	{ "rate", "1/1", "how many calls fail, as 1/N" },
	{ "count", "0", "failures at most; 0: one with nth, else no bound" },
	{ "errno", "EIO", "what a failing call answers" },
	{ "seed", "1", "which calls rate picks" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_error = {
	.size = sizeof(provider_error),
	.abi = UHMM_PROVIDER_ABI,
	.name = "error",
	.summary = "makes calls of the device below fail",
	.options = options,
	.wrap = error_wrap,
};
