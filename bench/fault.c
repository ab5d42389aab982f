// SPDX-License-Identifier: MIT
/*
 * A CPU touch of one 4 KiB page that is away, in random order.
 *
 * uhmm's device is "ram".  The bare program copies from memory of the same
 * kind, filled in the same way, by the same call: UFFDIO_COPY.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define NR_PAGES 8192u

/* @zero: pages that were never touched, to be filled with zeroes */
struct scene {
	struct bare bare;
	struct ours ours;
	char *mine; /* uhmm's memory */
	uint32_t *order;
	uint64_t *ns;
	size_t npages;
	bool is_inline, zero;
};

/* ---- The touches ------------------------------------------------------ */

static struct latency touch_all(struct scene *s, char *p, bool write)
{
	for (size_t i = 0; i < s->npages; i++) {
		volatile char *page = p + s->order[i] * PAGE;
		uint64_t start = now_ns();

		if (write)
			*page = 1;
		else
			(void)*page;
		s->ns[i] = now_ns() - start;
	}
	return latency_of(s->ns, s->npages);
}

enum bare_how {
	SIGNAL,
	POLLING,
	READING,
};

static struct latency bare_round(struct scene *s, enum bare_how how)
{
	struct bare *b = &s->bare;
	struct latency l;

	if (!s->zero)
		bare_nt_copy(b->dev, s->mine, b->len);
	madvise(b->reg, b->len, MADV_DONTNEED);
	if (how == SIGNAL)
		bare_signal_begin(b);
	else
		bare_handlers_begin(b, how == POLLING);
	warm(b->len);
	l = touch_all(s, b->reg, !s->zero);
	if (how == SIGNAL)
		bare_signal_end();
	else
		bare_handlers_end(b);
	return l;
}

static struct latency our_round(struct scene *s)
{
	if (s->zero)
		madvise(s->mine, s->bare.len, MADV_DONTNEED);
	else
		ours_move(&s->ours, s->mine, s->bare.len, s->ours.dev);
	warm(s->bare.len);
	return touch_all(s, s->mine, !s->zero);
}

/* ---- The scene -------------------------------------------------------- */

static int scene_open(struct scene *s, struct bench_run *run, bool inlined)
{
	struct uhmm_params p = {
		.fault_mode = inlined ? UHMM_FAULTS_INLINE :
					UHMM_FAULTS_THREADS,
	};
	int err = bare_check();

	if (err)
		return err;
	memset(s, 0, sizeof(*s));
	err = ours_open(&s->ours, &p, "ram:64M");
	if (err)
		return err;
	s->is_inline = inlined;
	s->npages = bench_quick(run) ? NR_PAGES / 8 : NR_PAGES;
	s->order = shuffled(s->npages);
	s->ns = malloc(s->npages * sizeof(*s->ns));
	s->bare.len = s->npages * PAGE;
	s->bare.reg = map_pages(s->bare.len + BLOCK, false);
	s->bare.dev = map_pages(s->bare.len, true);
	s->mine = map_pages(s->bare.len, false);
	touch(s->mine, s->bare.len, 1);
	touch(s->bare.dev, s->bare.len, 1);
	bare_open(&s->bare, inlined);
	return 0;
}

static void scene_close(struct scene *s)
{
	bare_close(&s->bare);
	ours_close(&s->ours);
	munmap(s->mine, s->bare.len);
	munmap(s->bare.dev, s->bare.len);
	munmap(s->bare.reg, s->bare.len + BLOCK);
	free(s->order);
	free(s->ns);
}

/* ---- Figures ---------------------------------------------------------- */

struct figures {
	struct result p50, p99;
};

static void add(struct figures *f, struct latency ours, struct latency bare)
{
	result_add(&f->p50, ours.p50, bare.p50);
	result_add(&f->p99, ours.p99, bare.p99);
	series_add(&f->p50.p99, ours.p99);
}

static void report(struct bench_run *run, const char *name, enum company c,
		   const struct figures *f, double bar50, double bar99)
{
	char text[64];

	snprintf(text, sizeof(text), "%s-p50", name);
	at_most(run, text, c, "us", bar50, &f->p50);
	snprintf(text, sizeof(text), "%s-p99", name);
	at_most(run, text, c, "us", bar99, &f->p99);
}

static void measure_inline(struct bench_run *run, struct scene *s,
			   enum company c)
{
	struct figures f = { 0 };

	for (unsigned r = 0; r < rounds(run, 9); r++) {
		struct latency bare = bare_round(s, SIGNAL);

		add(&f, our_round(s), bare);
	}
	report(run, s->zero ? "zero-inline" : "fault-inline", c, &f, 1.15, 1.3);
}

static void measure_threads(struct bench_run *run, struct scene *s,
			    enum company c)
{
	struct figures polling = { 0 }, reading = { 0 };

	for (unsigned r = 0; r < rounds(run, 9); r++) {
		struct latency p = bare_round(s, POLLING);
		struct latency ours = our_round(s);
		struct latency b = bare_round(s, READING);

		add(&polling, ours, p);
		add(&reading, ours, b);
	}
	report(run, s->zero ? "zero-threads" : "fault-threads", c, &polling,
	       1.15, 2);
	report(run, s->zero ? "zero-threads-vs-read" : "fault-threads-vs-read",
	       c, &reading, 0, 0);
}

static int measure(struct bench_run *run, bool inlined, bool zero)
{
	struct scene s;
	int err = scene_open(&s, run, inlined);

	if (err)
		return err;
	s.zero = zero;
	s.bare.resolve = zero ? bare_resolve_zero : bare_resolve_copy;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		if (!company_begin(c))
			continue;
		if (zero) { /* registered, and then discarded */
			touch(s.mine, s.bare.len, 1);
			ours_move(&s.ours, s.mine, s.bare.len, s.ours.dev);
		}
		if (inlined)
			measure_inline(run, &s, c);
		else
			measure_threads(run, &s, c);
		company_end();
	}
	scene_close(&s);
	return 0;
}

static int fault_inline(struct bench_run *run)
{
	return measure(run, true, false);
}

static int fault_threads(struct bench_run *run)
{
	return measure(run, false, false);
}

static int fault_zero(struct bench_run *run)
{
	int err = measure(run, true, true);

	return err ? err : measure(run, false, true);
}

const struct bench bench_fault_inline = {
	"fault-inline",
	"a page comes home in the thread that touches it",
	fault_inline,
};

const struct bench bench_fault_threads = {
	"fault-threads",
	"the same by handler threads, so that system calls work",
	fault_threads,
};

const struct bench bench_fault_zero = {
	"fault-zero",
	"the first touch of a managed page",
	fault_zero,
};
