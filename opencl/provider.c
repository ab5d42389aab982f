// SPDX-License-Identifier: MIT
/*
 * provider.c - memory of OpenCL devices as device-private memory.
 *
 *	opencl:SIZE[,platform=N][,device=N][,copy=auto|direct|queue]
 *		[,scrub=yes|no][,keep=yes|no]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl.h"

enum {
	OPT_PLATFORM,
	OPT_DEVICE,
	OPT_SIZE,
	OPT_COPY,
	OPT_SCRUB,
	OPT_KEEP,
};

static const struct uhmm_option options[] = {
	{ "platform", "0", "number of the platform, as clinfo -l counts" },
	{ "device", "0", "number of the device on its platform" },
	{ "size", "0", "the same as a SIZE after the colon" },
	{ "copy", "auto", "by the CPU (direct), or a queue, or what is best" },
	{ "scrub", "no", "clear pages as soon as they are freed: yes or no" },
	{ "keep", "yes",
	  "keep the frames of what kernels only read: yes or no" },
	{ NULL, NULL, NULL },
};

#define MAX_NUMBER 1000 /* of platforms and devices */

/* ---- Opening ----------------------------------------------------------- */

static int parse_number(const char *key, const char *s, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || n > MAX_NUMBER)
		return uhmm_provider_fail(-EINVAL,
					  "%s=%s: not a number from 0 to %d",
					  key, s, MAX_NUMBER);
	*ret = (unsigned)n;
	return 0;
}

static int parse_copy(const char *s, enum pool_copy *ret)
{
	static const char *const names[] = {
		[COPY_AUTO] = "auto",
		[COPY_DIRECT] = "direct",
		[COPY_QUEUE] = "queue",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(s, names[i]))
			continue;
		*ret = i;
		return 0;
	}
	return uhmm_provider_fail(-EINVAL,
				  "copy=%s: write auto, direct or queue", s);
}

/* The size is given as "opencl:SIZE" or as "size=SIZE". */
static int parse_size(const char *s, uint64_t *npages)
{
	uint64_t bytes;

	if (strcmp(s, "0")) {
		if (*npages)
			return uhmm_provider_fail(
				-EINVAL,
				"size=%s: there is a size already; leave one "
				"out",
				s);
		if (uhmm_parse_size(s, &bytes))
			return uhmm_provider_fail(
				-EINVAL, "size=%s: not a size, as 512M", s);
		*npages = bytes >> PAGE_SHIFT;
	}
	if (!*npages)
		return uhmm_provider_fail(
			-EINVAL, "there is no size; write it as opencl:512M");
	return 0;
}

static int check_switch(const char *key, const char *s)
{
	if (!strcmp(s, "yes") || !strcmp(s, "no"))
		return 0;
	return uhmm_provider_fail(-EINVAL, "%s=%s: write yes or no", key, s);
}

static int opencl_open(const char *const *values, struct uhmm_device_desc *desc,
		       void **ret_priv)
{
	const char *scrub = values[OPT_SCRUB], *keep = values[OPT_KEEP];
	unsigned platform = 0, device = 0;
	enum pool_copy want = COPY_AUTO;
	struct pool *pool;
	int err;

	if (parse_number("platform", values[OPT_PLATFORM], &platform) ||
	    parse_number("device", values[OPT_DEVICE], &device) ||
	    parse_copy(values[OPT_COPY], &want) ||
	    parse_size(values[OPT_SIZE], &desc->npages) ||
	    check_switch("scrub", scrub) || check_switch("keep", keep))
		return -EINVAL;
	err = pool_open(platform, device, want, desc->npages, &pool);
	if (err)
		return err;
	desc->ops = pool->is_direct ? &copy_direct_ops : &copy_queue_ops;
	if (pool->is_direct)
		desc->flags = UHMM_DEVICE_CONCURRENT | UHMM_DEVICE_FORKS;
	if (*scrub == 'y')
		desc->flags |= UHMM_DEVICE_SHARED;
	if (*keep == 'y') /* kernels write by table.c alone */
		desc->flags |= UHMM_DEVICE_TELLS_WRITES;
	*ret_priv = pool;
	return 0;
}

/* ---- Listing ----------------------------------------------------------- */

#define MAX_LISTED 64

struct listed {
	unsigned platform, device;
	cl_ulong bytes, max_bytes;
	char name[128];
};

struct listing {
	unsigned platforms, nr;
	struct listed listed[MAX_LISTED];
};

static void list_platform(struct listing *l, unsigned platform)
{
	struct found f;

	for (unsigned i = 0; l->nr < MAX_LISTED; i++) {
		struct listed *d = &l->listed[l->nr];

		if (find_device(platform, i, &f))
			return;
		d->platform = platform;
		d->device = i;
		d->bytes = f.bytes;
		d->max_bytes = f.max_bytes;
		memcpy(d->name, f.name, sizeof(d->name));
		l->nr++;
	}
}

static void list_on_root(void *arg)
{
	struct guard *g = guard_begin();
	cl_platform_id platforms[MAX_CLS];
	struct listing *l = arg;

	l->platforms = find_platforms(platforms);
	for (unsigned i = 0; i < l->platforms; i++)
		list_platform(l, i);
	guard_end(g);
}

/* On the caller's thread, as @fn may open devices. */
static void tell(const struct listed *d, uhmm_found_fn *fn, void *arg)
{
	char spec[64];
	struct uhmm_found found = {
		.size = sizeof(found),
		.spec = spec,
		.name = d->name,
		.bytes = d->bytes,
		.max_bytes = d->max_bytes,
	};

	snprintf(spec, sizeof(spec), "opencl:platform=%u,device=%u",
		 d->platform, d->device);
	fn(arg, &found);
}

static int opencl_list(uhmm_found_fn *fn, void *arg, char *why, size_t len)
{
	struct listing *l = uhmm_provider_alloc(sizeof(*l));
	int err = l ? root_do(list_on_root, l) : -ENOMEM;

	if (err) {
		snprintf(why, len, "%s", strerror(-err));
	} else if (!l->nr) {
		snprintf(why, len, "%s",
			 l->platforms ?
				 "no platform of OpenCL has a device here" :
				 "no platform of OpenCL is installed: install "
				 "a vendor's driver, or pocl-opencl-icd");
		err = -ENODEV;
	}
	for (unsigned i = 0; !err && i < l->nr; i++)
		tell(&l->listed[i], fn, arg);
	uhmm_provider_free(l, sizeof(*l));
	return err;
}

const struct uhmm_provider opencl_provider = {
	.size = sizeof(opencl_provider),
	.abi = UHMM_PROVIDER_ABI,
	.name = "opencl",
	.summary = "memory of a GPU or another OpenCL device",
	.options = options,
	.open = opencl_open,
	.list = opencl_list,
};

const struct uhmm_module uhmm_module = {
	.size = sizeof(uhmm_module),
	.abi = UHMM_PROVIDER_ABI,
	.provider = &opencl_provider,
};
