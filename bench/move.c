// SPDX-License-Identifier: MIT
/*
 * Bulk moves, 2 MiB a call, against a copy of the same bytes by non-temporal
 * stores between the same two kinds of memory: what a move costs beyond its
 * copy is ours.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define LEN (64 * MIB)

struct bulk {
	struct ours ours;
	char *mem; /* moved by us, copied from and to by the bare program */
	char *dev; /* the bare program's device */
	size_t len;
};

struct figures {
	struct result out, in;
};

static uint64_t copy_all(char *dst, const char *src, size_t len)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < len; i += BLOCK)
		bare_nt_copy(dst + i, src + i, BLOCK);
	return now_ns() - start;
}

static uint64_t move_all(struct bulk *b, struct uhmm_device *dev)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < b->len; i += BLOCK)
		ours_move(&b->ours, b->mem + i, BLOCK, dev);
	return now_ns() - start;
}

static void add(struct result *r, size_t len, uint64_t ours, uint64_t bare)
{
	result_add(r, gbps(len, ours), gbps(len, bare));
}

static void bulk_round(struct bulk *b, struct figures *f)
{
	uint64_t bare, ours;

	touch(b->mem, b->len, 2);
	bare = copy_all(b->dev, b->mem, b->len);
	ours = move_all(b, b->ours.dev);
	add(&f->out, b->len, ours, bare);
	warm(b->len);
	ours = move_all(b, NULL);
	bare = copy_all(b->mem, b->dev, b->len);
	add(&f->in, b->len, ours, bare);
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
	b->mem = map_pages(b->len, huge);
	b->dev = map_pages(b->len, true);
	touch(b->mem, b->len, 1);
	touch(b->dev, b->len, 1);
	move_all(b, b->ours.dev); /* its memory, and the frames */
	move_all(b, NULL);
	return 0;
}

static void bulk_close(struct bulk *b)
{
	ours_close(&b->ours);
	munmap(b->mem, b->len);
	munmap(b->dev, b->len);
}

/* Bars: out and in, alone and with a second thread; 0: none. */
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
