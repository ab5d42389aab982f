// SPDX-License-Identifier: MIT
/*
 * glibc's queries about the heap, answered with jemalloc's figures of all
 * arenas, in glibc's terms and formats.
 */
#include <jemalloc/jemalloc.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "preload.h"

/* MALLCTL_ARENAS_ALL as text: all arenas. */
#define ALL "4096"

/* glibc's internal names for two of the calls. */
struct mallinfo __libc_mallinfo(void);
int __libc_mallopt(int param, int value);

struct figures {
	size_t used;   /* allocated by the program */
	size_t taken;  /* from the system, including @used */
	size_t unused; /* pages that can be returned at once */
};

static size_t figure(const char *name)
{
	size_t value = 0, len = sizeof(value);

	return mallctl(name, &value, &len, NULL, 0) ? 0 : value;
}

/* The cache of the calling thread is flushed first, so it counts as free. */
static void read_figures(struct figures *ret)
{
	uint64_t epoch = 1;

	inside_enter();
	mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	ret->used = figure("stats.allocated");
	ret->unused = figure("stats.arenas." ALL ".pdirty") * PAGE;
	ret->taken = figure("stats.active") + ret->unused;
	inside_leave();
}

EXPORT struct mallinfo2 mallinfo2(void)
{
	struct figures f;

	read_figures(&f);
	return (struct mallinfo2){
		.arena = f.taken,
		.ordblks = 1,
		.uordblks = f.used,
		.fordblks = f.taken - f.used,
		.keepcost = f.unused,
	};
}

EXPORT struct mallinfo __libc_mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = (int)m.arena,
		.ordblks = (int)m.ordblks,
		.uordblks = (int)m.uordblks,
		.fordblks = (int)m.fordblks,
		.keepcost = (int)m.keepcost,
	};
}

/* As glibc: return whether any memory was given back. */
EXPORT int malloc_trim(size_t pad)
{
	struct figures before, after;

	read_figures(&before);
	inside_enter();
	mallctl("arena." ALL ".purge", NULL, NULL, NULL, 0);
	inside_leave();
	read_figures(&after);
	return after.unused < before.unused;
}

EXPORT void malloc_stats(void)
{
	struct figures f;

	read_figures(&f);
	fprintf(stderr, "Arena 0:\n");
	for (int i = 0; i < 2; i++)
		fprintf(stderr,
			"%s"
			"system bytes     = %10zu\n"
			"in use bytes     = %10zu\n",
			i ? "Total (incl. mmap):\n" : "", f.taken, f.used);
	fprintf(stderr, "max mmap regions = %10u\nmax mmap bytes   = %10u\n",
		0U, 0U);
}

EXPORT int malloc_info(int options, FILE *f)
{
	struct figures g;

	if (options)
		return EINVAL;
	read_figures(&g);
	fprintf(f, "<malloc version=\"1\">\n");
	for (int i = 0; i < 2; i++)
		fprintf(f,
			"%s"
			"<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
			"<total type=\"rest\" count=\"1\" size=\"%zu\"/>\n"
			"%s"
			"<system type=\"current\" size=\"%zu\"/>\n"
			"<system type=\"max\" size=\"%zu\"/>\n"
			"<aspace type=\"total\" size=\"%zu\"/>\n"
			"<aspace type=\"mprotect\" size=\"%zu\"/>\n"
			"%s",
			i ? "" : "<heap nr=\"0\">\n<sizes>\n</sizes>\n",
			g.taken - g.used,
			i ? "<total type=\"mmap\" count=\"0\" size=\"0\"/>\n" :
			    "",
			g.taken, g.taken, g.taken, g.taken,
			i ? "</malloc>\n" : "</heap>\n");
	return 0;
}

/*
 * The parameters tune glibc's allocator.  They change nothing else that a
 * program sees, so they are ignored.  As in glibc an unknown one is no error.
 */
EXPORT int mallopt(int param, int value)
{
	const int most_fast = 80 * (int)sizeof(size_t) / 4;

	if (param == M_MXFAST)
		return value >= 0 && value <= most_fast;
	return 1;
}

EXPORT struct mallinfo mallinfo(void) __attribute__((alias("__libc_mallinfo")));
EXPORT int __libc_mallopt(int param, int value) ALIAS_OF(mallopt);
