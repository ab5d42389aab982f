// SPDX-License-Identifier: MIT
/*
 * bfs.c - how far every header is from some of them, along the includes: a
 * breadth-first search over a graph in plain malloc'd memory.
 *
 * A launch is a step.  A work-item that misses a page does its node again, and
 * finds what it wrote before: a marked node counts as done.  So it asks for
 * both words before it writes the first, and no mark is without the word that
 * tells of it.  Two work-items may mark the same node: they write the same.
 * Usage: bfs [SPECIFICATION [FOLDER]]
 * cc -D_GNU_SOURCE -o bfs bfs.c $(pkg-config --cflags --libs uhmm-opencl)
 */
#include <errno.h>

#include <uhmm/opencl.h>

#include "graph.h"

static const char source[] =
	"#define WORD(it, addr, write) \\\n"
	"	(__global uint *)uhmm_next(&u, &it, addr, write)\n"
	"__kernel void visit(UHMM_ARGS, ulong from, ulong to, ulong level,\n"
	"		    uint depth, ulong changed)\n"
	"{\n"
	"	UHMM_BEGIN(u);\n"
	"	ulong node = get_global_id(0);\n"
	"	struct uhmm_iter a = UHMM_ITER, b = a, c = a, d = a;\n"
	"	__global uint *mine = WORD(a, level + node * 4, 0), *p, *q;\n"
	"	uint at, end;\n"
	"\n"
	"	if (!mine || !uhmm_need(&u, from + node * 4, 8, UHMM_READ))\n"
	"		return;\n"
	"	at = *WORD(a, from + node * 4, 0);\n"
	"	end = *WORD(a, from + node * 4 + 4, 0);\n"
	"	for (; *mine == depth && at < end; at++) {\n"
	"		if (!(p = WORD(b, to + at * 4ul, 0)))\n"
	"			return;\n"
	"		if (!(p = WORD(c, level + *p * 4ul, 1)))\n"
	"			return;\n"
	"		if (*p != 0xffffffff)\n"
	"			continue;\n"
	"		if (!(q = WORD(d, changed, 1)))\n"
	"			return;\n"
	"		*q = depth + 1;\n"
	"		*p = depth + 1;\n"
	"	}\n"
	"	UHMM_END(u);\n"
	"}\n";

static int on_device(struct uhmm_cl_kernel *k, struct graph *g, uint32_t *level,
		     uint32_t *changed)
{
	uint32_t depth = 0;
	const struct uhmm_cl_arg args[] = {
		UHMM_CL_PTR(g->from), UHMM_CL_PTR(g->to),   UHMM_CL_PTR(level),
		UHMM_CL_VAL(depth),   UHMM_CL_PTR(changed),
	};
	const struct uhmm_cl_launch launch = { .size = sizeof(launch),
					       .dims = 1,
					       .global = { g->nodes },
					       .args = args,
					       .nr_args = 5 };
	int err;

	graph_start(g, level);
	do {
		err = uhmm_cl_run(k, &launch, NULL);
	} while (!err && *changed == ++depth);
	return err;
}

int main(int argc, char **argv)
{
	struct uhmm_cl_kernel *kernel;
	struct graph g = { 0 };
	uint32_t *level, *expected, *changed, n;
	struct uhmm_cl *cl;
	struct uhmm *u;
	int err;

	graph_read(&g, argc > 2 ? argv[2] : "/usr/include");
	level = malloc(g.nodes * sizeof(*level));
	expected = malloc(g.nodes * sizeof(*level));
	changed = calloc(1, sizeof(*changed));
	if (!level || !expected || !changed || uhmm_open(NULL, &u))
		return 77;
	err = uhmm_cl_open(u, argc > 1 ? argv[1] : "opencl:1M", &cl);
	if (err)
		return err == -ENODEV ? 77 : 1;
	err = uhmm_cl_build(cl, source, NULL, "visit", &kernel);
	if (!err)
		err = on_device(kernel, &g, level, changed);
	if (err)
		fprintf(stderr, "%s\n", uhmm_cl_message(cl));
	n = graph_search(&g, expected);
	printf("%u of %u nodes, %u edges\n", n, g.nodes, g.edges);
	err = err || memcmp(level, expected, g.nodes * sizeof(*level));
	return uhmm_cl_close(cl) || uhmm_close(u) || err;
}
