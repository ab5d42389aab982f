// SPDX-License-Identifier: MIT
/*
 * Bulk moves, 2 MiB a call, against a copy of the same bytes by non-temporal
 * stores between the same two kinds of memory.  The difference is the cost of
 * uhmm.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define LEN (64 * MIB)

/* uhmm and the bare copy take turns block by block, each in its own memory. */
struct bulk {
	struct ours ours;
	char *mine;	 /* moved by uhmm */
	char *mem, *dev; /* copied from and to by the bare program */
	size_t len;
};

struct figures {
	struct result out, in;
};

/* Nano-seconds. */
struct sum {
	uint64_t ours, bare;
};

static uint64_t copy_block(char *dst, const char *src)
{
	uint64_t start = now_ns();

	bare_nt_copy(dst, src, BLOCK);
	return now_ns() - start;
}

static uint64_t move_block(struct bulk *b, char *p, struct uhmm_device *dev)
{
	uint64_t start = now_ns();

	ours_move(&b->ours, p, BLOCK, dev);
	return now_ns() - start;
}

static void add(struct result *r, size_t len, const struct sum *sum)
{
	result_add(r, gbps(len, sum->ours), gbps(len, sum->bare));
}

static void bulk_round(struct bulk *b, struct figures *f)
{
	struct sum out = { 0 }, in = { 0 };

	touch(b->mine, b->len, 2);
	touch(b->mem, b->len, 2);
	for (size_t i = 0; i < b->len; i += BLOCK) {
		out.bare += copy_block(b->dev + i, b->mem + i);
		out.ours += move_block(b, b->mine + i, b->ours.dev);
	}
	add(&f->out, b->len, &out);
	warm(b->len);
	for (size_t i = 0; i < b->len; i += BLOCK) {
		in.bare += copy_block(b->mem + i, b->dev + i);
		in.ours += move_block(b, b->mine + i, NULL);
	}
	add(&f->in, b->len, &in);
}

static int bulk_open(struct bulk *b, struct bench_run *run, bool huge,
		     uint32_t flags)
{
	struct uhmm_params p = {
		.fault_mode = UHMM_FAULTS_AUTO,
		.flags = flags,
		.pool_limit = 2 * LEN,
	};
	int err = bare_check();

	if (!err)
		err = ours_open(&b->ours, &p, "ram:128M");
	if (err)
		return err;
	b->len = bench_quick(run) ? LEN / 4 : LEN;
	b->mine = map_pages(b->len, huge);
	b->mem = map_pages(b->len, huge);
	b->dev = map_pages(b->len, true);
	touch(b->mine, b->len, 1);
	touch(b->mem, b->len, 1);
	touch(b->dev, b->len, 1);
	/* populates the device's memory and the frames */
	ours_move(&b->ours, b->mine, b->len, b->ours.dev);
	ours_move(&b->ours, b->mine, b->len, NULL);
	return 0;
}

static void bulk_close(struct bulk *b)
{
	ours_close(&b->ours);
	munmap(b->mine, b->len);
	munmap(b->mem, b->len);
	munmap(b->dev, b->len);
}

/* Bars: out and in, alone and with a second thread; 0: there is no bar. */
struct kind {
	const char *name;
	bool huge;
	uint32_t flags;
	double out[NR_COMPANY], in[NR_COMPANY];
};

static int measure(struct bench_run *run, const struct kind *k)
{
	struct bulk b;
	char name[64];
	int err = bulk_open(&b, run, k->huge, k->flags);

	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		struct figures f = { 0 };

		if (!company_begin(c))
			continue;
		for (unsigned r = 0; r < rounds(run, 9); r++)
			bulk_round(&b, &f);
		company_end();
		snprintf(name, sizeof(name), "out-%s", k->name);
		at_least(run, name, c, "GB/s", k->out[c], &f.out);
		snprintf(name, sizeof(name), "in-%s", k->name);
		at_least(run, name, c, "GB/s", k->in[c], &f.in);
	}
	bulk_close(&b);
	return 0;
}

static const struct kind kinds[] = {
	{ "huge", true, 0, { 0.95, 0.90 }, { 0.90, 0.85 } },
	{ "4k-recycled", false, 0, { 0.70, 0.62 }, { 0.72, 0.68 } },
	{ "4k-freed", false, UHMM_OPEN_NO_RECYCLE, { 0.60, 0.50 }, { 0 } },
};

static int move_bulk(struct bench_run *run)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(kinds) / sizeof(*kinds); i++)
		err = measure(run, &kinds[i]);
	return err;
}

const struct bench bench_move_bulk = {
	"move-bulk",
	"out and home in runs of 2 MiB",
	move_bulk,
};
