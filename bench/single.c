// SPDX-License-Identifier: MIT
/*
 * One 4 KiB page a call, to the device and home.
 *
 * The least work is: out, UFFDIO_MOVE to a frame and a copy; home, UFFDIO_COPY.
 * Each second page is moved, so that no call can profit from the one before.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "harness.h"

#define LEN (8 * MIB)

struct single {
	struct bare bare;
	struct ours ours;
	int frames_uffd; /* a part of b->pool */
	char *mine;
	size_t n;
	uint64_t *out, *in;
};

static void bare_round(struct single *s)
{
	struct bare *b = &s->bare;

	for (size_t i = 0; i < s->n; i++) {
		size_t at = 2 * i * PAGE;
		uint64_t start = now_ns();

		bare_move(s->frames_uffd, b->pool + at, b->reg + at, PAGE);
		memcpy(b->dev + at, b->pool + at, PAGE);
		s->out[i] = now_ns() - start;
	}
	madvise(b->pool, LEN, MADV_DONTNEED);
	warm(LEN);
	for (size_t i = 0; i < s->n; i++) {
		size_t at = 2 * i * PAGE;
		uint64_t start = now_ns();

		bare_copy(b->uffd, b->reg + at, b->dev + at, PAGE);
		s->in[i] = now_ns() - start;
	}
}

static void our_round(struct single *s)
{
	for (size_t i = 0; i < s->n; i++) {
		uint64_t start = now_ns();

		ours_move(&s->ours, s->mine + 2 * i * PAGE, PAGE, s->ours.dev);
		s->out[i] = now_ns() - start;
	}
	warm(LEN);
	for (size_t i = 0; i < s->n; i++) {
		uint64_t start = now_ns();

		ours_move(&s->ours, s->mine + 2 * i * PAGE, PAGE, NULL);
		s->in[i] = now_ns() - start;
	}
}

static void single_rounds(struct bench_run *run, struct single *s,
			  enum company c)
{
	struct result out = { 0 }, in = { 0 };

	for (unsigned r = 0; r < rounds(run, 9); r++) {
		struct latency bo, bi, oo, oi;

		bare_round(s);
		bo = latency_of(s->out, s->n);
		bi = latency_of(s->in, s->n);
		our_round(s);
		oo = latency_of(s->out, s->n);
		oi = latency_of(s->in, s->n);
		result_add(&out, oo.p50, bo.p50);
		result_add(&in, oi.p50, bi.p50);
		series_add(&out.p99, oo.p99);
		series_add(&in.p99, oi.p99);
	}
	at_most(run, "out-one-page", c, "us", 1.5, &out);
	at_most(run, "in-one-page", c, "us", 1.5, &in);
}

static int single_open(struct single *s, struct bench_run *run)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_AUTO };
	int err = bare_check();

	memset(s, 0, sizeof(*s));
	if (!err)
		err = ours_open(&s->ours, &p, "ram:64M");
	if (err)
		return err;
	s->n = LEN / PAGE / (bench_quick(run) ? 16 : 2);
	s->out = malloc(s->n * sizeof(*s->out));
	s->in = malloc(s->n * sizeof(*s->in));
	s->bare.len = LEN;
	s->bare.reg = map_pages(LEN + BLOCK, false);
	s->bare.pool = map_pages(LEN, false);
	s->bare.dev = map_pages(LEN, true);
	s->mine = map_pages(LEN, false);
	touch(s->bare.reg, LEN, 1);
	touch(s->bare.dev, LEN, 1);
	touch(s->mine, LEN, 1);
	bare_open(&s->bare, true);
	s->frames_uffd = bare_uffd(true);
	bare_register(s->frames_uffd, s->bare.pool, LEN);
	return 0;
}

static int move_single(struct bench_run *run)
{
	struct single s;
	int err = single_open(&s, run);

	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		if (!company_begin(c))
			continue;
		single_rounds(run, &s, c);
		company_end();
	}
	close(s.frames_uffd);
	bare_close(&s.bare);
	ours_close(&s.ours);
	munmap(s.bare.reg, LEN + BLOCK);
	munmap(s.bare.pool, LEN);
	munmap(s.bare.dev, LEN);
	munmap(s.mine, LEN);
	free(s.out);
	free(s.in);
	return 0;
}

const struct bench bench_move_single = {
	"move-single",
	"one 4 KiB page out, and home",
	move_single,
};
