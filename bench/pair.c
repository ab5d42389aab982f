// SPDX-License-Identifier: MIT
/* Two threads, one on each CPU, that fault on different blocks. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "harness.h"

#define NR_THREADS 2
#define NR_PAGES   4096u /* of each thread */

struct pair {
	struct bare bare;
	struct ours ours;
	char *mine;
	uint32_t *order;
	size_t npages;
	bool is_inline;
};

struct toucher {
	pthread_t thread;
	unsigned cpu;
	char *p;
	const uint32_t *order;
	size_t n;
	_Atomic unsigned *ready;
	uint64_t start, end;
};

static void *toucher_main(void *arg)
{
	struct toucher *t = arg;

	pin(t->cpu);
	atomic_fetch_add(t->ready, 1);
	while (atomic_load(t->ready) < NR_THREADS)
		;
	t->start = now_ns();
	for (size_t i = 0; i < t->n; i++)
		*(volatile char *)(t->p + t->order[i] * PAGE) = 1;
	t->end = now_ns();
	return NULL;
}

/* Faults a second, all threads together. */
static double touch_all(struct pair *s, char *p)
{
	struct toucher t[NR_THREADS];
	_Atomic unsigned ready = 0;
	uint64_t start = UINT64_MAX, end = 0;

	for (unsigned i = 0; i < NR_THREADS; i++) {
		t[i] = (struct toucher){
			.cpu = i,
			.p = p + i * s->npages * PAGE,
			.order = s->order,
			.n = s->npages,
			.ready = &ready,
		};
		if (pthread_create(&t[i].thread, NULL, toucher_main, &t[i]))
			bench_die("pthread_create", EAGAIN);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(t[i].thread, NULL);
		start = t[i].start < start ? t[i].start : start;
		end = t[i].end > end ? t[i].end : end;
	}
	return (double)(NR_THREADS * s->npages) * 1e9 / (double)(end - start);
}

static double bare_round(struct pair *s)
{
	struct bare *b = &s->bare;
	double rate;

	bare_nt_copy(b->dev, s->mine, b->len);
	madvise(b->reg, b->len, MADV_DONTNEED);
	if (s->is_inline)
		bare_signal_begin(b);
	else
		bare_handlers_begin(b, true);
	warm(b->len);
	rate = touch_all(s, b->reg);
	if (s->is_inline)
		bare_signal_end();
	else
		bare_handlers_end(b);
	return rate;
}

static double our_round(struct pair *s)
{
	ours_move(&s->ours, s->mine, s->bare.len, s->ours.dev);
	warm(s->bare.len);
	return touch_all(s, s->mine);
}

static int pair_open(struct pair *s, struct bench_run *run, bool inlined)
{
	struct uhmm_params p = {
		.fault_mode = inlined ? UHMM_FAULTS_INLINE :
					UHMM_FAULTS_THREADS,
	};
	int err = nr_cpus() < 2 ? -EOPNOTSUPP : bare_check();

	memset(s, 0, sizeof(*s));
	if (!err)
		err = ours_open(&s->ours, &p, "ram:64M");
	if (err)
		return err;
	s->is_inline = inlined;
	s->npages = bench_quick(run) ? NR_PAGES / 4 : NR_PAGES;
	s->order = shuffled(s->npages);
	s->bare.len = NR_THREADS * s->npages * PAGE;
	s->bare.reg = map_pages(s->bare.len + BLOCK, false);
	s->bare.dev = map_pages(s->bare.len, true);
	s->mine = map_pages(s->bare.len, false);
	touch(s->mine, s->bare.len, 1);
	touch(s->bare.dev, s->bare.len, 1);
	bare_open(&s->bare, inlined);
	return 0;
}

static int measure(struct bench_run *run, const char *name, bool inlined)
{
	struct pair s;
	struct result f = { 0 };
	int err = pair_open(&s, run, inlined);

	if (err)
		return err;
	for (unsigned r = 0; r < rounds(run, 11); r++) {
		double bare = bare_round(&s);

		result_add(&f, our_round(&s), bare);
	}
	at_least(run, name, BESIDE, "1/s", 0.85, &f);
	bare_close(&s.bare);
	ours_close(&s.ours);
	munmap(s.mine, s.bare.len);
	munmap(s.bare.dev, s.bare.len);
	munmap(s.bare.reg, s.bare.len + BLOCK);
	free(s.order);
	return 0;
}

static int fault_pair(struct bench_run *run)
{
	int err = measure(run, "fault-2-inline", true);

	return err ? err : measure(run, "fault-2-threads", false);
}

const struct bench bench_fault_pair = {
	"fault-pair",
	"two threads that fault on different blocks",
	fault_pair,
};
