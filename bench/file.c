// SPDX-License-Identifier: MIT
/*
 * Memory above a file on a disk: how many pages go with one system call, and
 * what a touch costs.
 *
 * The patterns touch every page while RAM is limited to a quarter of the
 * memory: they write in sequence, or write, read, or read and write in a random
 * order that repeats.  The bare primitive is one pwritev(2) and one preadv(2)
 * of a page, past the page cache.  The program is sort(1) with half of the RAM
 * that it takes.
 *
 * The kernel counts the calls: /proc/PID/io.  Faults are served inline, as a
 * thread that reads faults would count, too.  mapped.c is about a file that is
 * mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uhmm/stats.h>

#include "harness.h"
#include "mapped.h"

#define SPEC "file:256M,path=/var/tmp"

/* System calls that read and write. */
struct calls {
	uint64_t reads, writes;
};

static struct calls calls_of(pid_t pid)
{
	struct calls c = { 0, 0 };
	char path[40], line[80];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "syscr: %lu", &c.reads);
		sscanf(line, "syscw: %lu", &c.writes);
	}
	if (f)
		fclose(f);
	return c;
}

/* ---- One page, bare --------------------------------------------------- */

struct bare_file {
	int fd;
	char *page;
	uint64_t npages;
};

static void bare_file_close(struct bare_file *b)
{
	close(b->fd);
	munmap(b->page, BLOCK);
}

static int bare_file_open(struct bare_file *b, uint64_t npages)
{
	int err;

	b->fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC | O_DIRECT,
		     0600);
	if (b->fd < 0)
		return -EOPNOTSUPP;
	b->npages = npages;
	b->page = map_pages(BLOCK, false);
	if (!ftruncate(b->fd, (off_t)(npages * PAGE)))
		return 0;
	err = -errno;
	bare_file_close(b);
	return err;
}

/* A page goes and another comes.  Return: us, on average. */
static double bare_swap(const struct bare_file *b, const uint32_t *order,
			size_t n)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < n; i++) {
		off_t out = (off_t)(order[i] * PAGE);
		off_t in = (off_t)(order[i / 2] * PAGE);

		*b->page = (char)i;
		if (pwrite(b->fd, b->page, PAGE, out) != (ssize_t)PAGE ||
		    pread(b->fd, b->page, PAGE, in) != (ssize_t)PAGE)
			bench_die("a direct write or read", EIO);
	}
	return (double)(now_ns() - start) / 1e3 / (double)n;
}

/* ---- Patterns --------------------------------------------------------- */

struct filed {
	struct ours ours;
	struct bare_file bare;
	char *mem;
	uint32_t *order;
	size_t len, npages;
};

static int filed_open(struct filed *l, const struct bench_run *run)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_INLINE };
	int err;

	l->len = (bench_quick(run) ? 16 : 64) * MIB;
	l->npages = l->len / PAGE;
	p.ram_limit = l->len / 4;
	err = bare_file_open(&l->bare, l->npages);
	if (err)
		return err;
	err = ours_open(&l->ours, &p, SPEC);
	if (err) {
		bare_file_close(&l->bare);
		return err;
	}
	l->mem = map_pages(l->len, false);
	l->order = shuffled(l->npages);
	err = uhmm_register(l->ours.u, l->mem, l->len);
	if (err)
		bench_die("uhmm_register", err);
	return 0;
}

static void filed_close(struct filed *l)
{
	ours_close(&l->ours);
	bare_file_close(&l->bare);
	munmap(l->mem, l->len);
	free(l->order);
}

static struct uhmm_stats stats_of(struct uhmm *u)
{
	struct uhmm_stats s = { .size = sizeof(s) };
	int err = uhmm_stats(u, &s);

	if (err)
		bench_die("uhmm_stats", err);
	return s;
}

static double pages_a_call(uint64_t pages, uint64_t calls)
{
	return calls ? (double)pages / (double)calls : 0;
}

/*
 * @touch: what is done to each page
 * @in_sequence: else in a random order
 * @pages: what a call should read at least
 */
struct pattern {
	const char *name;
	void (*touch)(volatile char *page);
	bool in_sequence;
	unsigned pages;
};

static void touch_write(volatile char *page)
{
	*page = 1;
}

static void touch_read(volatile char *page)
{
	(void)*page;
}

/* The worst for copies that are kept: they are never good. */
static void touch_read_write(volatile char *page)
{
	*page = (char)(*page + 1);
}

struct figures {
	struct result us, out, in, copied;
};

static void touch_pages(struct filed *l, const struct pattern *p)
{
	for (size_t i = 0; i < l->npages; i++)
		p->touch(l->mem + (p->in_sequence ? i : l->order[i]) * PAGE);
}

static void pattern_round(struct filed *l, const struct pattern *p,
			  struct figures *f)
{
	double bare = bare_swap(&l->bare, l->order, l->npages / 16);
	struct uhmm_stats s = stats_of(l->ours.u), e;
	struct calls c = calls_of(getpid()), d;
	uint64_t start = now_ns();

	touch_pages(l, p);
	result_add(&f->us, (double)(now_ns() - start) / 1e3 / (double)l->npages,
		   bare);
	d = calls_of(getpid());
	e = stats_of(l->ours.u);
	result_add(&f->out,
		   pages_a_call(e.to_device - s.to_device, d.writes - c.writes),
		   0);
	result_add(&f->in, pages_a_call(e.to_ram - s.to_ram, d.reads - c.reads),
		   0);
	result_add(&f->copied,
		   pages_a_call(e.to_device - s.to_device, l->npages), 0);
}

static void measure_pattern(struct bench_run *run, struct filed *l,
			    const struct pattern *p)
{
	bool reads = p->touch == touch_read;
	struct figures f = { .us = { .ours = { .n = 0 } } };
	char name[64];

	company_begin(ALONE);
	touch_pages(l, p);
	for (unsigned r = 0; r < rounds(run, 5); r++)
		pattern_round(l, p, &f);
	company_end();
	snprintf(name, sizeof(name), "file-%s-touch", p->name);
	at_most(run, name, ALONE, "us", 1, &f.us);
	snprintf(name, sizeof(name), "file-%s-read", p->name);
	at_least(run, name, ALONE, "pages/call", p->pages, &f.in);
	snprintf(name, sizeof(name), "file-%s-%s", p->name,
		 reads ? "copied" : "write");
	if (reads)
		at_most(run, name, ALONE, "pages/touch", 0.05, &f.copied);
	else
		at_least(run, name, ALONE, "pages/call", 16, &f.out);
}

/* After random writes all comes home at once: what was away, by the page. */
static void home_round(struct filed *l, struct figures *f)
{
	static const struct pattern random = { .touch = touch_write };
	struct uhmm_stats s, e;
	struct calls c, d;
	uint64_t start, ns;
	int err;

	touch_pages(l, &random);
	err = uhmm_set_ram_limit(l->ours.u, 0);
	if (err)
		bench_die("uhmm_set_ram_limit", err);
	s = stats_of(l->ours.u);
	c = calls_of(getpid());
	start = now_ns();
	ours_move(&l->ours, l->mem, l->len, NULL);
	ns = now_ns() - start;
	d = calls_of(getpid());
	e = stats_of(l->ours.u);
	result_add(&f->us, (double)ns / 1e3 / (double)(e.to_ram - s.to_ram), 0);
	result_add(&f->in, pages_a_call(e.to_ram - s.to_ram, d.reads - c.reads),
		   0);
	err = uhmm_set_ram_limit(l->ours.u, l->len / 4);
	if (err)
		bench_die("uhmm_set_ram_limit", err);
}

static void measure_home(struct bench_run *run, struct filed *l)
{
	struct figures f = { .us = { .ours = { .n = 0 } } };

	company_begin(ALONE);
	for (unsigned r = 0; r < rounds(run, 5); r++)
		home_round(l, &f);
	company_end();
	at_most(run, "file-home", ALONE, "us/page", 0, &f.us);
	at_least(run, "file-home-read", ALONE, "pages/call", 4, &f.in);
}

static void measure_patterns(struct bench_run *run, struct filed *l)
{
	static const struct pattern patterns[] = {
		{ "stream", touch_write, true, 16 },
		{ "random", touch_write, false, 1 },
		{ "reread", touch_read, false, 1 },
		{ "update", touch_read_write, false, 1 },
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		measure_pattern(run, l, &patterns[i]);
}

/* ---- sort(1) ---------------------------------------------------------- */

static char input[] = "/var/tmp/uhmm-bench-XXXXXX";

static int write_sort_input(size_t lines)
{
	uint64_t x = 88172645463325252;
	int fd = mkstemp(input);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return -errno;
	while (lines--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		fprintf(f, "%016jx %014zu\n", (uintmax_t)x, lines);
	}
	return fclose(f) ? -errno : 0;
}

/* How a run of a program went; @peak: KiB. */
struct outcome {
	struct calls calls;
	double s;
	long peak;
};

static int run_program(const char *const *argv, struct outcome *ret)
{
	uint64_t start = now_ns();
	struct rusage use;
	siginfo_t si;
	int status;
	pid_t pid = spawn_quietly(argv);

	if (!pid)
		return -EOPNOTSUPP;
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
	ret->s = (double)(now_ns() - start) / 1e9;
	ret->calls = calls_of(pid);
	if (wait4(pid, &status, 0, &use) != pid || status)
		return -EOPNOTSUPP;
	ret->peak = use.ru_maxrss;
	return 0;
}

static int sort_rounds(struct bench_run *run)
{
	const char *plain[] = { "sort",		"-S",  "256M",
				"--parallel=1", input, NULL };
	char ram[32];
	const char *us[] = { "/proc/self/exe", "run",	"--mode",
			     "inline",	       "--ram", ram,
			     "--device",       SPEC,	"--",
			     "sort",	       "-S",	"256M",
			     "--parallel=1",   input,	NULL };
	struct result wall = { 0 }, out = { 0 }, in = { 0 };
	struct outcome a, b;
	int err = 0;

	for (unsigned r = 0; !err && r < rounds(run, 3); r++) {
		err = run_program(plain, &a);
		snprintf(ram, sizeof(ram), "%ldK", a.peak / 2);
		if (!err)
			err = run_program(us, &b);
		if (err)
			return err;
		result_add(&wall, b.s, a.s);
		result_add(&out, (double)(b.calls.writes - a.calls.writes), 0);
		result_add(&in, (double)(b.calls.reads - a.calls.reads), 0);
	}
	at_most(run, "file-sort", ALONE, "s", 0, &wall);
	at_most(run, "file-sort-write", ALONE, "calls", 0, &out);
	at_most(run, "file-sort-read", ALONE, "calls", 0, &in);
	return err;
}

static int sort(struct bench_run *run)
{
	int err = write_sort_input(bench_quick(run) ? 100000 : 1000000);

	setenv("LC_ALL", "C", 1);
	if (!err)
		err = sort_rounds(run);
	unlink(input);
	return err;
}

/* ---- All -------------------------------------------------------------- */

static int file(struct bench_run *run)
{
	struct filed l;
	int err = filed_open(&l, run);

	if (err)
		return err;
	measure_patterns(run, &l);
	measure_home(run, &l);
	filed_close(&l);
	err = measure_mapped(run);
	return err ? err : sort(run);
}

const struct bench bench_file = {
	"file",
	"memory above a file: pages a system call, and the cost of a touch",
	file,
};
