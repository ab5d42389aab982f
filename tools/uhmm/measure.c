// SPDX-License-Identifier: MIT
/*
 * The speed of a device as a program sees it: pages of this process move to the
 * device and come home.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <uhmm/provider.h>

#include "tool.h"

#define LEN	((size_t)32 << 20)
#define ROUNDS	5
#define TOUCHES 256
#define PAGE	uhmm_page_size()

/*
 * A wrapper that takes UHMM_DEVICE_TELLS_WRITES from the device.  With that
 * flag a page keeps its frame and comes home without a copy, and copies are to
 * be measured.
 */
static int copies_wrap(const char *const *values,
		       const struct uhmm_device_desc *inner, void *inner_priv,
		       struct uhmm_device_desc *desc, void **ret_priv)
{
	(void)values;
	*desc = *inner;
	desc->flags &= ~(uint32_t)UHMM_DEVICE_TELLS_WRITES;
	*ret_priv = inner_priv;
	return 0;
}

static const struct uhmm_provider copies = {
	.size = sizeof(copies),
	.abi = UHMM_PROVIDER_ABI,
	.name = "uhmm-measure",
	.wrap = copies_wrap,
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static double move_us(struct uhmm *u, char *p, struct uhmm_device *dev)
{
	double start = now_us();

	return uhmm_migrate(u, p, LEN, dev) == (ssize_t)(LEN / PAGE) ?
		       now_us() - start :
		       -1;
}

/* GB/s in both directions.  False: some pages did not move. */
static bool measure_copies(struct uhmm *u, struct uhmm_device *dev, char *p,
			   struct measured *ret)
{
	double in[ROUNDS], out[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		/* Each word differs, as some devices compress. */
		for (size_t at = 0; at < LEN; at += sizeof(size_t))
			*(size_t *)(p + at) = at * 0x9e3779b97f4a7c15u;
		in[i] = move_us(u, p, dev);
		out[i] = move_us(u, p, NULL);
		if (in[i] <= 0 || out[i] <= 0)
			return false;
	}
	ret->in = (double)LEN / median(in, ROUNDS) / 1e3;
	ret->out = (double)LEN / median(out, ROUNDS) / 1e3;
	return true;
}

/* One page at a time, far from the others: a fault may bring neighbours. */
static bool measure_pages(struct uhmm *u, struct uhmm_device *dev, char *p,
			  struct measured *ret)
{
	double in[TOUCHES], touch[TOUCHES];

	for (size_t i = 0; i < TOUCHES; i++) {
		volatile char *page = p + i * (LEN / TOUCHES);
		double start = now_us();

		if (uhmm_migrate(u, (void *)page, PAGE, dev) != 1)
			return false;
		in[i] = now_us() - start;
		start = now_us();
		(*page)++;
		touch[i] = now_us() - start;
	}
	ret->page_us = median(in, TOUCHES);
	ret->touch_us = median(touch, TOUCHES);
	return true;
}

/*
 * Keep the library's first message about the device, without the device's name,
 * which is a made-up one.
 */
static void keep_device_message(void *arg, int level, const char *msg)
{
	struct measured *m = arg;
	const char *text = strstr(msg, ": ");

	if (level <= 4 && !*m->why)
		snprintf(m->why, sizeof(m->why), "%.*s",
			 (int)strcspn(text ? text + 2 : msg, "\n"),
			 text ? text + 2 : msg);
}

static int measure_opened(struct uhmm *u, const char *spec, char *p,
			  struct measured *ret)
{
	struct uhmm_device *dev;
	char wrapped[512];
	int err, n;

	n = snprintf(wrapped, sizeof(wrapped), "%s/%s", copies.name, spec);
	if (n >= (int)sizeof(wrapped))
		return -ENAMETOOLONG;
	uhmm_set_log(u, keep_device_message, ret);
	err = uhmm_device_open(u, wrapped, &dev);
	if (err)
		return err;
	if (measure_copies(u, dev, p, ret) && measure_pages(u, dev, p, ret))
		return 0;
	snprintf(ret->why, sizeof(ret->why),
		 "it has no room for %zu MiB; give it more", LEN >> 20);
	return -ENOSPC;
}

int measure_device(const char *spec, struct measured *ret)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uhmm *u;
	int err;

	if (p == MAP_FAILED)
		return -ENOMEM;
	*ret->why = '\0';
	err = uhmm_provider_register(&copies);
	if (!err || err == -EEXIST)
		err = uhmm_open(NULL, &u);
	if (!err) {
		err = measure_opened(u, spec, p, ret);
		uhmm_close(u);
	}
	if (err && !*ret->why)
		snprintf(ret->why, sizeof(ret->why), "%s", strerror(-err));
	munmap(p, LEN);
	return err;
}
