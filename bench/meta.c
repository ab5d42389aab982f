// SPDX-License-Identifier: MIT
/*
 * The memory that uhmm needs for its own records: the growth of the resident
 * set of a process.  The process's device stores nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <uhmm/provider.h>

#include "harness.h"

#define LEN	   (512 * MIB)
#define NR_REGIONS 4096u

/* ---- A device that stores nothing -------------------------------------- */

static int void_copy(void *priv, const struct uhmm_segment *seg, size_t nr)
{
	return 0;
}

static int void_clear(void *priv, uint64_t dpfn, size_t npages)
{
	return 0;
}

static const struct uhmm_device_ops void_ops = {
	.size = sizeof(void_ops),
	.copy_to_devmem = void_copy,
	.copy_to_ram = void_copy,
	.clear = void_clear,
};

static struct uhmm_device_desc void_desc = {
	.size = sizeof(void_desc),
	.name = "void",
	.type = UHMM_MEMORY_DEVICE_PRIVATE,
	.flags = UHMM_DEVICE_CONCURRENT,
	.ops = &void_ops,
};

static int void_open(struct ours *o)
{
	struct uhmm_params p = { .flags = UHMM_OPEN_NO_RECYCLE };
	int err = ours_open(o, &p, NULL);

	if (err)
		return err;
	void_desc.npages = 4 * LEN / PAGE;
	err = uhmm_device_add(o->u, &void_desc, NULL, &o->dev);
	if (err)
		ours_close(o);
	return err;
}

/* ---- Growth ----------------------------------------------------------- */

/* Reads the counter without touching the memory of the regions. */
static size_t grown(size_t since)
{
	size_t now = status_bytes("RssAnon:");

	return now > since ? now - since : 0;
}

static void report(struct bench_run *run, const char *name, double bytes,
		   double bar)
{
	struct bench_figure f = {
		.name = name,
		.unit = "B",
		.value = bytes,
		.min = bytes,
		.max = bytes,
		.bar = bar,
	};

	bench_report(run, &f);
}

/* First the range is registered only; then all of it is away. */
static void per_page(struct bench_run *run, struct ours *o, size_t len)
{
	char *mem = map_pages(len, false);
	size_t since = status_bytes("RssAnon:");
	int err = uhmm_register(o->u, mem, len);

	if (err)
		bench_die("uhmm_register", err);
	/* a bar of 0 means none: so a hundredth of a byte */
	report(run, "per-page-registered",
	       (double)grown(since) / (double)(len / PAGE), 0.01);
	ours_move(o, mem, len, o->dev);
	report(run, "per-page-away",
	       (double)grown(since) / (double)(len / PAGE), 8);
	err = uhmm_unregister(o->u, mem, len);
	if (err)
		bench_die("uhmm_unregister", err);
	munmap(mem, len);
}

/* Single pages, with a gap after each. */
static void per_region(struct bench_run *run, struct ours *o, unsigned nr)
{
	char *mem = map_pages(2 * nr * PAGE, false);
	size_t since;

	for (unsigned i = 0; i < nr; i++)
		munmap(mem + (2 * i + 1) * PAGE, PAGE);
	since = status_bytes("RssAnon:");
	for (unsigned i = 0; i < nr; i++) {
		int err = uhmm_register(o->u, mem + 2 * i * PAGE, PAGE);

		if (err)
			bench_die("uhmm_register", err);
	}
	report(run, "per-region", (double)grown(since) / nr, 1024);
	munmap(mem, 2 * nr * PAGE);
}

/* Memory that is allocated once for all must not count: allocate it now. */
static void settle(struct ours *o)
{
	char *mem = map_pages(8 * BLOCK, false);
	int err;

	ours_move(o, mem, 8 * BLOCK, o->dev);
	err = uhmm_unregister(o->u, mem, 8 * BLOCK);
	if (err)
		bench_die("uhmm_unregister", err);
	munmap(mem, 8 * BLOCK);
}

static int meta(struct bench_run *run)
{
	struct ours o;
	int err = void_open(&o);

	if (err)
		return err;
	settle(&o);
	per_page(run, &o, bench_quick(run) ? LEN / 8 : LEN);
	per_region(run, &o, bench_quick(run) ? NR_REGIONS / 4 : NR_REGIONS);
	ours_close(&o);
	return 0;
}

const struct bench bench_meta = {
	"metadata",
	"bytes kept a page and a region",
	meta,
};
