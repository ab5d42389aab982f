// SPDX-License-Identifier: MIT
/* The code that the benchmarks share: see harness.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

extern char **environ;

_Noreturn void bench_die(const char *what, int err)
{
	fprintf(stderr,
		"uhmm bench: %s failed: %s; \"uhmm doctor\" says what is "
		"missing\n",
		what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

/* ---- CPUs ------------------------------------------------------------- */

static cpu_set_t all_cpus;

static void learn_cpus(void)
{
	if (!CPU_COUNT(&all_cpus))
		sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
}

unsigned nr_cpus(void)
{
	learn_cpus();
	return (unsigned)CPU_COUNT(&all_cpus);
}

void pin(unsigned n)
{
	cpu_set_t one;

	learn_cpus();
	CPU_ZERO(&one);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all_cpus) || n--)
			continue;
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

void unpin(void)
{
	learn_cpus();
	sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

/* ---- Company ---------------------------------------------------------- */

static pthread_t spinner;
static bool spinner_runs;
static _Atomic int spinning;

const char *company_name(enum company c)
{
	switch (c) {
	case BESIDE:
		return "second thread";
	case TOGETHER:
		return "side by side";
	default:
		return "alone";
	}
}

static void *spin(void *arg)
{
	pin(1);
	atomic_store(&spinning, 2);
	while (atomic_load_explicit(&spinning, memory_order_relaxed))
		;
	return NULL;
}

bool company_begin(enum company c)
{
	if (c == BESIDE && nr_cpus() < 2)
		return false;
	if (c == BESIDE) {
		atomic_store(&spinning, 1);
		spinner_runs = !pthread_create(&spinner, NULL, spin, NULL);
		while (spinner_runs && atomic_load(&spinning) != 2)
			sched_yield();
	}
	pin(0);
	return true;
}

void company_end(void)
{
	atomic_store(&spinning, 0);
	if (spinner_runs)
		pthread_join(spinner, NULL);
	spinner_runs = false;
	unpin();
}

pid_t spawn_quietly(const char *const *argv)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)argv,
			 environ))
		pid = 0;
	posix_spawn_file_actions_destroy(&fa);
	return pid;
}

/* ---- Memory ----------------------------------------------------------- */

/* Cut both ends off, so that one mapping is left that starts on a block. */
void *map_pages(size_t len, bool huge)
{
	char *p = mmap(NULL, len + BLOCK, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head;

	if (p == MAP_FAILED)
		bench_die("mmap", errno);
	head = -(uintptr_t)p & (BLOCK - 1);
	if (head)
		munmap(p, head);
	munmap(p + head + len, BLOCK - head);
	madvise(p + head, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p + head;
}

void touch(void *p, size_t len, int value)
{
	for (size_t i = 0; i < len; i += PAGE)
		((volatile char *)p)[i] = (char)value;
}

void warm(size_t len)
{
	void *p = map_pages(len, false);

	touch(p, len, 1);
	munmap(p, len);
}

size_t status_bytes(const char *field)
{
	size_t len = strlen(field), kib = 0;
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len))
			kib = strtoul(line + len, NULL, 10);
	if (f)
		fclose(f);
	return kib << 10;
}

uint32_t *shuffled(size_t n)
{
	uint32_t *v = malloc(n * sizeof(*v));
	uint64_t x = 88172645463325252;

	if (!v)
		bench_die("malloc", ENOMEM);
	for (size_t i = 0; i < n; i++) {
		size_t k;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		k = x % (i + 1);
		v[i] = v[k];
		v[k] = (uint32_t)i;
	}
	return v;
}

/* ---- Results ---------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void series_add(struct series *s, double v)
{
	if (s->n < MAX_ROUNDS)
		s->v[s->n++] = v;
}

static struct series sorted(const struct series *s)
{
	struct series t = *s;

	qsort(t.v, t.n, sizeof(*t.v), by_value);
	return t;
}

double series_median(const struct series *s)
{
	struct series t = sorted(s);

	if (!t.n)
		return 0;
	return (t.v[(t.n - 1) / 2] + t.v[t.n / 2]) / 2;
}

void result_add(struct result *r, double ours, double bare)
{
	series_add(&r->ours, ours);
	if (bare > 0) {
		series_add(&r->bare, bare);
		series_add(&r->ratio, ours / bare);
	}
}

static void report(struct bench_run *run, const char *name, enum company c,
		   const char *unit, double bar, bool more,
		   const struct result *r)
{
	struct series ours = sorted(&r->ours);
	struct bench_figure f = {
		.name = name,
		.condition = company_name(c),
		.unit = unit,
		.value = series_median(&r->ours),
		.p99 = series_median(&r->p99),
		.min = ours.n ? ours.v[0] : 0,
		.max = ours.n ? ours.v[ours.n - 1] : 0,
		.bare = series_median(&r->bare),
		.ratio = series_median(&r->ratio),
		.bar = bar,
		.more_is_better = more,
	};

	bench_report(run, &f);
}

void at_most(struct bench_run *run, const char *name, enum company c,
	     const char *unit, double bar, const struct result *r)
{
	report(run, name, c, unit, bar, false, r);
}

void at_least(struct bench_run *run, const char *name, enum company c,
	      const char *unit, double bar, const struct result *r)
{
	report(run, name, c, unit, bar, true, r);
}

struct latency latency_of(uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof(*ns), by_time);
	return (struct latency){ (double)ns[n / 2] / 1000,
				 (double)ns[n * 99 / 100] / 1000 };
}

unsigned rounds(const struct bench_run *run, unsigned full)
{
	return bench_quick(run) ? 2 : full;
}

/* ---- uhmm ------------------------------------------------------------- */

int ours_open(struct ours *o, const struct uhmm_params *params,
	      const char *spec)
{
	struct uhmm_params p = *params;
	int err;

	p.size = sizeof(p);
	err = uhmm_open(&p, &o->u);
	if (err)
		return err == -ENOSYS || err == -EPERM ? -EOPNOTSUPP : err;
	o->dev = NULL;
	if (spec)
		err = uhmm_device_open(o->u, spec, &o->dev);
	if (err)
		uhmm_close(o->u);
	return err;
}

void ours_close(struct ours *o)
{
	int err = uhmm_close(o->u);

	if (err)
		bench_die("uhmm_close", err);
}

void ours_move(struct ours *o, void *p, size_t len, struct uhmm_device *dev)
{
	ssize_t n = uhmm_migrate(o->u, p, len, dev);

	if (n < 0)
		bench_die("uhmm_migrate", (int)n);
	if ((size_t)n != len / PAGE)
		bench_die("uhmm_migrate left pages behind", EBUSY);
}
