/* SPDX-License-Identifier: MIT */
/*
 * graph.h - which header includes which, under a folder.  If there is no such
 * folder the graph is a random one.
 *
 * Edges of node i: to[from[i]..from[i + 1]).
 */
#ifndef EXAMPLE_GRAPH_H
#define EXAMPLE_GRAPH_H

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODES 60000
#define MAX_EDGES 1000000
#define ROOTS	  64
#define NOT_YET	  UINT32_MAX

struct graph {
	uint32_t nodes, edges;
	uint32_t *from, *to;
};

static char *graph_names[MAX_NODES];
static uint32_t graph_nodes;

static int graph_file(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	const char *dot = strrchr(path, '.');

	(void)st;
	(void)ftw;
	if (type == FTW_F && dot && !strcmp(dot, ".h") &&
	    graph_nodes < MAX_NODES)
		graph_names[graph_nodes++] = strdup(path);
	return 0;
}

static int graph_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The node of a path; -1: there is none. */
static long graph_find(const char *path)
{
	char **p = bsearch(&path, graph_names, graph_nodes, sizeof(*p),
			   graph_compare);

	return p ? p - graph_names : -1;
}

static void graph_edges(struct graph *g, const char *folder, const char *path)
{
	char line[512], name[256], other[1024];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		long node = -1;

		if (sscanf(line, " # include <%255[^>]", name) == 1)
			snprintf(other, sizeof(other), "%s/%s", folder, name);
		else if (sscanf(line, " # include \"%255[^\"]", name) == 1)
			snprintf(other, sizeof(other), "%.*s/%s",
				 (int)(strrchr(path, '/') - path), path, name);
		else
			continue;
		node = graph_find(other);
		if (node >= 0 && g->edges < MAX_EDGES)
			g->to[g->edges++] = (uint32_t)node;
	}
	if (f)
		fclose(f);
}

static void graph_read(struct graph *g, const char *folder)
{
	g->from = calloc(MAX_NODES + 1, sizeof(*g->from));
	g->to = calloc(MAX_EDGES, sizeof(*g->to));
	if (!g->from || !g->to)
		exit(1);
	nftw(folder, graph_file, 16, FTW_PHYS);
	qsort(graph_names, graph_nodes, sizeof(*graph_names), graph_compare);
	g->nodes = graph_nodes > 100 ? graph_nodes : 10000;
	for (uint32_t i = 0; i < g->nodes; i++) {
		g->from[i] = g->edges;
		if (graph_nodes > 100)
			graph_edges(g, folder, graph_names[i]);
		for (uint32_t k = 2; graph_nodes <= 100 && k < 5; k++)
			g->to[g->edges++] = (i * k + 1) % g->nodes;
	}
	g->from[g->nodes] = g->edges;
}

/* The nodes where a search begins. */
static uint32_t graph_root(const struct graph *g, uint32_t i)
{
	return (uint32_t)((uint64_t)i * g->nodes / ROOTS);
}

/* The depths before a search. */
static void graph_start(const struct graph *g, uint32_t *level)
{
	memset(level, 0xff, g->nodes * sizeof(*level));
	for (uint32_t i = 0; i < ROOTS; i++)
		level[graph_root(g, i)] = 0;
}

/* Compute the depth of each node.  Return: number of nodes reached. */
static uint32_t graph_search(const struct graph *g, uint32_t *level)
{
	uint32_t *queue = calloc(g->nodes + ROOTS, sizeof(*queue)), n = 0;

	graph_start(g, level);
	for (; n < ROOTS; n++)
		queue[n] = graph_root(g, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t node = queue[i];

		for (uint32_t e = g->from[node]; e < g->from[node + 1]; e++)
			if (level[g->to[e]] == NOT_YET)
				level[queue[n++] = g->to[e]] = level[node] + 1;
	}
	free(queue);
	return n;
}

#endif
