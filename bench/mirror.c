// SPDX-License-Identifier: MIT
/*
 * A device's page table.
 *
 * Measured are the costs of a page to be entered and to be looked up, in RAM,
 * on the device, or with every other 2 MiB on either; the cost of an
 * invalidation; and a CPU fault with mirrors attached against one without.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <uhmm/mirror.h>

#include "harness.h"

#define LEN	   (GIB / 4)
#define GIB	   ((size_t)1 << 30)
#define NR_MIRRORS 4

/* PAGEMAP_SCAN of Linux 6.7, which the headers of Debian 12 lack. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};
#define SCAN	     _IOWR('f', 16, struct scan)
#define SCAN_PRESENT (UINT64_C(1) << 3)

enum where {
	IN_RAM,
	ON_DEVICE,
	MIXED,
	NR_WHERE,
};

static const char *const names[] = { "ram", "device", "mixed" };

struct bed {
	struct ours ours;
	struct uhmm_mirror *mirror[NR_MIRRORS];
	unsigned nr;
	char *mem;
	size_t len;
	uhmm_pfn_t *pfns;
	int pagemap;
};

/* ---- The device: a table of entries ---- */

static int enter(void *priv, uintptr_t start, const uhmm_pfn_t *pfns, size_t n)
{
	struct bed *b = priv;

	memcpy(b->pfns + (start - (uintptr_t)b->mem) / PAGE, pfns,
	       n * sizeof(*pfns));
	return 0;
}

static void forget(void *priv, uintptr_t start, uintptr_t end,
		   enum uhmm_notify why)
{
	struct bed *b = priv;
	uintptr_t low = (uintptr_t)b->mem, high = low + b->len;

	(void)why;
	start = start > low ? start : low;
	end = end < high ? end : high;
	if (start < end)
		memset(b->pfns + (start - low) / PAGE, 0,
		       (end - start) / PAGE * sizeof(*b->pfns));
}

static const struct uhmm_mirror_ops ops = {
	.size = sizeof(ops),
	.map = enter,
	.invalidate = forget,
};

static void attach(struct bed *b, unsigned nr)
{
	for (; b->nr < nr; b->nr++) {
		int err = uhmm_mirror_add(b->ours.u, b->mem, b->len,
					  b->ours.dev, &ops, b,
					  &b->mirror[b->nr]);

		if (err)
			bench_die("uhmm_mirror_add", err);
	}
	while (b->nr > nr)
		uhmm_mirror_remove(b->mirror[--b->nr]);
}

static int bed_open(struct bed *b, struct bench_run *run, uint32_t mode)
{
	struct uhmm_params p = { .fault_mode = mode };
	int err = ours_open(&b->ours, &p, "ram:512M");

	if (err)
		return err;
	b->len = bench_quick(run) ? 32 * MIB : LEN;
	b->nr = 0;
	b->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	b->mem = map_pages(b->len, false);
	b->pfns = map_pages(b->len / PAGE * sizeof(*b->pfns), false);
	touch(b->pfns, b->len / PAGE * sizeof(*b->pfns), 0);
	touch(b->mem, b->len, 1);
	err = uhmm_register(b->ours.u, b->mem, b->len);
	if (err)
		bench_die("uhmm_register", err);
	return 0;
}

static void bed_close(struct bed *b)
{
	attach(b, 0);
	ours_close(&b->ours);
	munmap(b->pfns, b->len / PAGE * sizeof(*b->pfns));
	munmap(b->mem, b->len);
	close(b->pagemap);
}

static void place(struct bed *b, enum where where)
{
	for (size_t at = 0; at < b->len; at += BLOCK) {
		bool away = where == ON_DEVICE ||
			    (where == MIXED && at / BLOCK % 2);

		ours_move(&b->ours, b->mem + at, BLOCK,
			  away ? b->ours.dev : NULL);
	}
}

/* ---- Looking up, against the kernel's own look ---- */

/* The kernel's own scan, in nanoseconds a page; 0: the kernel has none. */
static double scan_ns(const struct bed *b)
{
	struct scan_region region[64];
	struct scan arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)b->mem,
		.end = (uintptr_t)b->mem + b->len,
		.vec = (uintptr_t)region,
		.vec_len = 64,
		.category_mask = SCAN_PRESENT,
		.return_mask = SCAN_PRESENT,
	};
	uint64_t start = now_ns();

	while (arg.start < arg.end) {
		if (ioctl(b->pagemap, SCAN, &arg) < 0)
			return 0;
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return (double)(now_ns() - start) / (double)(b->len / PAGE);
}

static double snapshot_ns(const struct bed *b)
{
	uint64_t start = now_ns();
	int err = uhmm_mirror_snapshot(b->mirror[0], b->mem, b->len, b->pfns);

	if (err)
		bench_die("uhmm_mirror_snapshot", err);
	return (double)(now_ns() - start) / (double)(b->len / PAGE);
}

static double fault_ns(const struct bed *b)
{
	uint64_t start = now_ns();
	int err = uhmm_mirror_fault(b->mirror[0], b->mem, b->len,
				    UHMM_FAULT_WRITE);

	if (err)
		bench_die("uhmm_mirror_fault", err);
	return (double)(now_ns() - start) / (double)(b->len / PAGE);
}

static void pages(struct bench_run *run, struct bed *b, enum where where)
{
	struct result look = { 0 }, fault = { 0 };
	char name[64];

	place(b, where);
	attach(b, 1);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		double bare = scan_ns(b);

		result_add(&look, snapshot_ns(b), bare);
		result_add(&fault, fault_ns(b), bare);
	}
	snprintf(name, sizeof(name), "mirror-snapshot-%s", names[where]);
	at_most(run, name, ALONE, "ns", where == IN_RAM ? 2 : 0, &look);
	snprintf(name, sizeof(name), "mirror-fault-%s", names[where]);
	at_most(run, name, ALONE, "ns", 0, &fault);
}

/* ---- Being told ---- */

static double told_ns(struct bed *b)
{
	uint64_t start;

	fault_ns(b);
	start = now_ns();
	for (size_t at = 0; at < b->len; at += BLOCK) {
		int err = uhmm_notify_begin(b->ours.u, b->mem + at, BLOCK,
					    UHMM_NOTIFY_PROTECT);

		if (err || uhmm_notify_end(b->ours.u, b->mem + at, BLOCK))
			bench_die("uhmm_notify_begin", err);
	}
	return (double)(now_ns() - start) / (double)(b->len / PAGE);
}

static void telling(struct bench_run *run, struct bed *b)
{
	struct result one = { 0 }, four = { 0 };

	place(b, IN_RAM);
	for (unsigned r = 0; r < rounds(run, 7); r++) {
		double ns;

		attach(b, 1);
		ns = told_ns(b);
		result_add(&one, ns, 0);
		attach(b, NR_MIRRORS);
		result_add(&four, told_ns(b), ns);
	}
	at_most(run, "mirror-invalidate-1", ALONE, "ns", 0, &one);
	at_most(run, "mirror-invalidate-4", ALONE, "ns", 0, &four);
}

/* ---- CPU faults ---- */

static double touch_us(struct bed *b, const uint32_t *order, size_t n,
		       uint64_t *ns)
{
	place(b, ON_DEVICE);
	if (b->nr)
		fault_ns(b);
	for (size_t i = 0; i < n; i++) {
		volatile char *p = b->mem + order[i] * PAGE;
		uint64_t start = now_ns();

		*p = 2;
		ns[i] = now_ns() - start;
	}
	return latency_of(ns, n).p50;
}

static void cpu_faults(struct bench_run *run, struct bed *b, const char *name)
{
	size_t n = 4096;
	uint32_t *order = shuffled(n);
	uint64_t *ns = calloc(n, sizeof(*ns));
	struct result r = { 0 };

	if (!ns)
		bench_die("calloc", ENOMEM);
	for (unsigned k = 0; k < rounds(run, 7); k++) {
		double without;

		attach(b, 0);
		without = touch_us(b, order, n, ns);
		attach(b, 1);
		result_add(&r, touch_us(b, order, n, ns), without);
	}
	at_most(run, name, ALONE, "us", 1.2, &r);
	free(ns);
	free(order);
}

static int mirror(struct bench_run *run)
{
	struct bed b;
	int err = bed_open(&b, run, UHMM_FAULTS_AUTO);

	if (err)
		return err;
	company_begin(ALONE);
	for (enum where w = IN_RAM; w < NR_WHERE; w++)
		pages(run, &b, w);
	telling(run, &b);
	cpu_faults(run, &b, "mirror-cpu-fault-threads");
	bed_close(&b);
	err = bed_open(&b, run, UHMM_FAULTS_INLINE);
	if (!err) {
		cpu_faults(run, &b, "mirror-cpu-fault-inline");
		bed_close(&b);
	}
	company_end();
	return err;
}

const struct bench bench_mirror = {
	"mirror",
	"a device's page table: entering, looking up, being told, CPU faults",
	mirror,
};
