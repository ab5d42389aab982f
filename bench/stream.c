// SPDX-License-Identifier: MIT
/*
 * The CPU reads away memory from one end to the other, without advice.
 *
 * The bare program's fault brings 256 KiB by UFFDIO_COPY, or 2 MiB by a copy
 * into a huge frame that is then moved: the best that 4 KiB pages and huge
 * pages can do.  uhmm has to detect the stream and choose how much to bring.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define LEN (64 * MIB)

struct stream {
	struct bare bare;
	struct ours ours;
	char *mine;
	size_t len;
	bool is_inline, huge;
};

static uint64_t read_all(const char *p, size_t len)
{
	uint64_t start = now_ns(), sum = 0;

	for (size_t i = 0; i < len; i += 64)
		sum += *(const volatile uint64_t *)(p + i);
	(void)sum;
	return now_ns() - start;
}

/* A page table left from before would split the huge page: map anew. */
static void bare_renew(struct stream *s)
{
	struct bare *b = &s->bare;

	b->reg = map_pages(b->len + BLOCK, s->huge);
	b->pool = map_pages(b->len, s->huge);
	if (s->huge)
		touch(b->pool, b->len, 1);
	bare_open(b, s->is_inline);
	b->granule = s->huge ? BLOCK : 256 << 10;
	b->resolve = s->huge ? bare_resolve_move : bare_resolve_copy;
}

static uint64_t bare_round(struct stream *s)
{
	struct bare *b = &s->bare;
	uint64_t t;

	bare_renew(s);
	bare_nt_copy(b->dev, s->mine, b->len);
	if (s->is_inline)
		bare_signal_begin(b);
	else
		bare_handlers_begin(b, true);
	warm(b->len);
	t = read_all(b->reg, b->len);
	if (s->is_inline)
		bare_signal_end();
	else
		bare_handlers_end(b);
	bare_close(b);
	munmap(b->reg, b->len + BLOCK);
	munmap(b->pool, b->len);
	return t;
}

static uint64_t our_round(struct stream *s)
{
	ours_move(&s->ours, s->mine, s->len, s->ours.dev);
	warm(s->len);
	return read_all(s->mine, s->len);
}

static int stream_open(struct stream *s, struct bench_run *run)
{
	struct uhmm_params p = {
		.fault_mode = s->is_inline ? UHMM_FAULTS_INLINE :
					     UHMM_FAULTS_THREADS,
		.pool_limit = 2 * LEN,
	};
	int err = bare_check();

	if (!err)
		err = ours_open(&s->ours, &p, "ram:128M");
	if (err)
		return err;
	s->len = s->bare.len = bench_quick(run) ? LEN / 4 : LEN;
	s->mine = map_pages(s->len, s->huge);
	s->bare.dev = map_pages(s->len, true);
	touch(s->mine, s->len, 1);
	touch(s->bare.dev, s->len, 1);
	return 0;
}

static int measure(struct bench_run *run, const char *name, bool inlined,
		   bool huge)
{
	struct stream s = { .is_inline = inlined, .huge = huge };
	int err = stream_open(&s, run);

	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		struct result f = { 0 };

		if (!company_begin(c))
			continue;
		for (unsigned r = 0; r < rounds(run, 7); r++) {
			double bare = gbps(s.len, bare_round(&s));

			result_add(&f, gbps(s.len, our_round(&s)), bare);
		}
		company_end();
		at_least(run, name, c, "GB/s", 0.9, &f);
	}
	ours_close(&s.ours);
	munmap(s.mine, s.len);
	munmap(s.bare.dev, s.len);
	return 0;
}

static int stream_threads(struct bench_run *run)
{
	int err = measure(run, "stream-threads-4k", false, false);

	return err ? err : measure(run, "stream-threads-huge", false, true);
}

static int stream_inline(struct bench_run *run)
{
	int err = measure(run, "stream-inline-4k", true, false);

	return err ? err : measure(run, "stream-inline-huge", true, true);
}

const struct bench bench_stream_inline = {
	"stream-inline",
	"reading in sequence what is away, without hints",
	stream_inline,
};

const struct bench bench_stream_threads = {
	"stream-threads",
	"the same by handler threads",
	stream_threads,
};
