// SPDX-License-Identifier: MIT
/*
 * Moves to a coherent device and back, 2 MiB a call.  The devices are a file
 * that the CPU maps and, if there is one, a NUMA node.  The reference is a copy
 * of the same bytes by non-temporal stores; for the node also move_pages(2) of
 * the same pages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.h"
#include "harness.h"

#define LEN (32 * MIB)

/*
 * @mine: moved by uhmm, block by block in turn with the bare moves
 * @mem, @dev: copied from and to
 * @moved: moved by move_pages(2)
 * @home, @node: the nodes of that move; -1: there is none
 */
struct coherent {
	struct ours ours;
	char *mine, *mem, *dev, *moved;
	size_t len;
	int home, node;
};

/* Nano-seconds. */
struct sum {
	uint64_t ours, copy, kernel;
};

struct figures {
	struct result by_copy, by_kernel;
};

/* ---- Nodes ------------------------------------------------------------- */

/* The first node of a list like "0-1,4" that is not @but; -1: there is none. */
static int first_in(const char *list, int but)
{
	char file[64], line[256] = "";
	int first, last, n;
	FILE *f;

	snprintf(file, sizeof(file), "/sys/devices/system/node/%s", list);
	f = fopen(file, "re");
	if (!f)
		return -1;
	if (!fgets(line, sizeof(line), f))
		*line = '\0';
	fclose(f);
	for (char *p = line; sscanf(p, "%d%n", &first, &n) == 1; p++) {
		p += n;
		last = first;
		if (sscanf(p, "-%d%n", &last, &n) == 1)
			p += n;
		for (int i = first; i <= last; i++)
			if (i != but)
				return i;
		if (*p != ',')
			break;
	}
	return -1;
}

static void move_pages_to(char *p, size_t len, int node)
{
	void *pages[MAX_BLOCK_PAGES];
	int nodes[MAX_BLOCK_PAGES], status[MAX_BLOCK_PAGES];
	size_t n = len / PAGE;

	for (size_t i = 0; i < n; i++) {
		pages[i] = p + i * PAGE;
		nodes[i] = node;
	}
	if (syscall(SYS_move_pages, 0, n, pages, nodes, status, 0) < 0)
		bench_die("move_pages", -errno);
}

/* ---- One round --------------------------------------------------------- */

static uint64_t copy_block(char *dst, const char *src)
{
	uint64_t start = now_ns();

	bare_nt_copy(dst, src, BLOCK);
	return now_ns() - start;
}

static uint64_t move_block(struct coherent *b, char *p, struct uhmm_device *dev)
{
	uint64_t start = now_ns();

	ours_move(&b->ours, p, BLOCK, dev);
	return now_ns() - start;
}

static uint64_t kernel_block(struct coherent *b, char *p, int node)
{
	uint64_t start = now_ns();

	if (b->node >= 0)
		move_pages_to(p, BLOCK, node);
	return now_ns() - start;
}

static void add(const struct coherent *b, struct figures *f,
		const struct sum *sum)
{
	double ours = gbps(b->len, sum->ours);

	result_add(&f->by_copy, ours, gbps(b->len, sum->copy));
	if (b->node >= 0)
		result_add(&f->by_kernel, ours, gbps(b->len, sum->kernel));
}

static void one_round(struct coherent *b, struct figures *out,
		      struct figures *in)
{
	struct sum there = { 0 }, back = { 0 };

	touch(b->mine, b->len, 2);
	touch(b->mem, b->len, 2);
	for (size_t i = 0; i < b->len; i += BLOCK) {
		there.copy += copy_block(b->dev + i, b->mem + i);
		there.ours += move_block(b, b->mine + i, b->ours.dev);
		there.kernel += kernel_block(b, b->moved + i, b->node);
	}
	warm(b->len);
	for (size_t i = 0; i < b->len; i += BLOCK) {
		back.copy += copy_block(b->mem + i, b->dev + i);
		back.ours += move_block(b, b->mine + i, NULL);
		back.kernel += kernel_block(b, b->moved + i, b->home);
	}
	add(b, out, &there);
	add(b, in, &back);
}

/* ---- The whole --------------------------------------------------------- */

static int open_all(struct coherent *b, struct bench_run *run, const char *spec)
{
	struct uhmm_params p = { .fault_mode = UHMM_FAULTS_AUTO };
	int err = ours_open(&b->ours, &p, spec);

	if (err)
		return err;
	b->len = bench_quick(run) ? LEN / 4 : LEN;
	b->mine = map_pages(b->len, false);
	b->mem = map_pages(b->len, false);
	b->moved = map_pages(b->len, false);
	b->dev = map_pages(b->len, true);
	touch(b->mine, b->len, 1);
	touch(b->mem, b->len, 1);
	touch(b->moved, b->len, 1);
	touch(b->dev, b->len, 1);
	/* populates the device's memory and the frames */
	ours_move(&b->ours, b->mine, b->len, b->ours.dev);
	ours_move(&b->ours, b->mine, b->len, NULL);
	return 0;
}

static void close_all(struct coherent *b)
{
	ours_close(&b->ours);
	munmap(b->mine, b->len);
	munmap(b->mem, b->len);
	munmap(b->moved, b->len);
	munmap(b->dev, b->len);
}

static void report(struct bench_run *run, const char *way, const char *kind,
		   enum company c, const struct figures *f)
{
	const bool by_kernel = f->by_kernel.ratio.n > 0;
	const double bar = c == ALONE ? 0.60 : 0.55;
	char name[64];

	snprintf(name, sizeof(name), "%s-%s", way, kind);
	at_least(run, name, c, "GB/s", by_kernel ? 0 : bar, &f->by_copy);
	if (!by_kernel)
		return;
	snprintf(name, sizeof(name), "%s-%s-move_pages", way, kind);
	at_least(run, name, c, "GB/s", 0.80, &f->by_kernel);
}

static int measure(struct bench_run *run, struct coherent *b, const char *kind,
		   const char *spec)
{
	int err = open_all(b, run, spec);

	if (err)
		return err;
	for (enum company c = ALONE; c < NR_COMPANY; c++) {
		struct figures out = { 0 }, in = { 0 };

		if (!company_begin(c))
			continue;
		for (unsigned r = 0; r < rounds(run, 9); r++)
			one_round(b, &out, &in);
		company_end();
		report(run, "out", kind, c, &out);
		report(run, "in", kind, c, &in);
	}
	close_all(b);
	return 0;
}

static int coherent(struct bench_run *run)
{
	struct coherent b = { .node = -1 };
	char spec[32];
	int err = measure(run, &b, "dax", "dax:64M");

	b.home = first_in("has_cpu", -1);
	b.node = first_in("has_memory", b.home);
	if (err || b.node < 0)
		return err;
	snprintf(spec, sizeof(spec), "numa:64M,node=%d", b.node);
	return measure(run, &b, "node", spec);
}

const struct bench bench_coherent = {
	"coherent",
	"to coherent devices and home in runs of 2 MiB",
	coherent,
};
