// SPDX-License-Identifier: MIT
/*
 * delay.c - a wrapper that makes a device slow.
 *
 *	delay[(us=N,perpage_ns=N,hang=N,ms=N,op=CALLS)]/...
 *
 * Each call waits first: us, and perpage_ns for each of its pages.  Most of a
 * long wait is slept, the rest spun, so that it is exact to about 1 us.
 *
 * From the hang-th call on each one hangs, until the device is lost or for ms.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wrap.h"

#define MAX_US	   UINT64_C(10000000)
#define MAX_NS	   UINT64_C(1000000000)
#define MAX_MS	   UINT64_C(1000000000) /* days: practically for ever */
#define SLEEP_FROM UINT64_C(150000)	/* ns; shorter waits are spun */
#define OVERSLEEP  UINT64_C(100000)	/* ns that a sleep may take too long */

struct delay {
	struct wrap wrap;
	unsigned calls; /* enum wrap_call */
	uint64_t ns;
	uint64_t perpage_ns;
	uint64_t hang; /* 0: no call hangs */
	uint64_t hang_ns;
	_Atomic uint64_t nr_calls;
	uint32_t own_gone;
	uint32_t *gone; /* futex, set by the core; ours and the one below */
};

static void sleep_until(uint64_t ns)
{
	const struct timespec end = {
		.tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) ==
	       EINTR)
		;
}

static bool is_gone(struct delay *d)
{
	return __atomic_load_n(d->gone, __ATOMIC_SEQ_CST);
}

/* Wait until the device is lost, or @d->hang_ns are over. */
static void hang(struct delay *d)
{
	uint64_t end = wrap_now_ns() + d->hang_ns, now;
	int saved = errno;

	while (!is_gone(d) && (now = wrap_now_ns()) < end) {
		struct timespec left = {
			.tv_sec = (time_t)((end - now) / 1000000000),
			.tv_nsec = (long)((end - now) % 1000000000),
		};

		syscall(SYS_futex, d->gone, FUTEX_WAIT_PRIVATE, 0, &left, NULL,
			0);
	}
	errno = saved;
}

static void wait_before(struct delay *d, enum wrap_call call, size_t npages)
{
	uint64_t ns = d->ns + d->perpage_ns * npages;
	uint64_t end;

	if (!(d->calls & call))
		return;
	if (d->hang && atomic_fetch_add(&d->nr_calls, 1) + 1 >= d->hang)
		hang(d);
	if (!ns)
		return;
	end = wrap_now_ns() + ns;
	if (ns > SLEEP_FROM)
		sleep_until(end - OVERSLEEP);
	while (wrap_now_ns() < end)
		;
}

static int delay_to_devmem(void *priv, const struct uhmm_segment *seg,
			   size_t nr)
{
	struct delay *d = priv;

	wait_before(d, WRAP_TO_DEV, wrap_count_pages(seg, nr));
	return d->wrap.inner->copy_to_devmem(d->wrap.priv, seg, nr);
}

static int delay_to_ram(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	struct delay *d = priv;

	wait_before(d, WRAP_TO_RAM, wrap_count_pages(seg, nr));
	return d->wrap.inner->copy_to_ram(d->wrap.priv, seg, nr);
}

static int delay_clear(void *priv, uint64_t dpfn, size_t npages)
{
	struct delay *d = priv;

	wait_before(d, WRAP_CLEAR, npages);
	return d->wrap.inner->clear(d->wrap.priv, dpfn, npages);
}

static int delay_wrap(const char *const *values,
		      const struct uhmm_device_desc *inner, void *inner_priv,
		      struct uhmm_device_desc *desc, void **ret_priv)
{
	uint64_t us, perpage_ns, hang, ms;
	unsigned calls;
	struct delay *d;

	if (wrap_parse_number("us", values[0], MAX_US, &us) ||
	    wrap_parse_number("perpage_ns", values[1], MAX_NS, &perpage_ns) ||
	    wrap_parse_calls(values[2], &calls) ||
	    wrap_parse_number("hang", values[3], UINT64_MAX, &hang) ||
	    wrap_parse_number("ms", values[4], MAX_MS, &ms))
		return -EINVAL;
	d = wrap_new(sizeof(*d), inner, inner_priv, desc);
	if (!d)
		return -ENOMEM;
	d->calls = calls;
	d->ns = us * 1000;
	d->perpage_ns = perpage_ns;
	d->hang = hang;
	d->hang_ns = (ms ? ms : MAX_MS) * 1000000;
	if (!desc->gone)
		desc->gone = &d->own_gone;
	d->gone = desc->gone;
	d->wrap.ops.copy_to_devmem = delay_to_devmem;
	d->wrap.ops.copy_to_ram = delay_to_ram;
	if (inner->ops->clear)
		d->wrap.ops.clear = delay_clear;
	if (calls & WRAP_TO_RAM)
		d->wrap.ops.direct = NULL; /* it would bypass the delay */
	*ret_priv = d;
	return 0;
}

static const struct uhmm_option options[] = {
	{ "us", "0", "wait so long at each call, at most 10000000" },
	{ "perpage_ns", "0", "and so long for each page" },
	{ "op", "any", WRAP_OP_HELP },
	{ "hang", "0", "from this call on each one hangs; 0: none" },
	{ "ms", "0", "for so long; 0: until the device is lost" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_delay = {
	.size = sizeof(provider_delay),
	.abi = UHMM_PROVIDER_ABI,
	.name = "delay",
	.summary = "makes the device below slow",
	.options = options,
	.wrap = delay_wrap,
};
