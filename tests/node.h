/* SPDX-License-Identifier: MIT */
/*
 * node.h - a NUMA node without processors, where a machine has one, and where
 * the kernel says that pages are.  scripts/vm makes such a machine.
 */
#ifndef UHMM_TEST_NODE_H
#define UHMM_TEST_NODE_H

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "context.h"

/* A list as in /sys/devices/system/node: bit n is node n, of the first 64. */
static inline uint64_t test_nodes(const char *list)
{
	char path[64], line[256] = "", *p = line;
	uint64_t ret = 0;
	int a, b, n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/%s", list);
	f = fopen(path, "r");
	if (!f)
		return 0;
	CHECK(fgets(line, sizeof(line), f));
	fclose(f);
	for (; sscanf(p, "%d%n", &a, &n) == 1; p += *p == ',') {
		p += n;
		b = a;
		if (sscanf(p, "-%d%n", &b, &n) == 1)
			p += n;
		for (; a <= b && a < 64; a++)
			ret |= UINT64_C(1) << a;
	}
	return ret;
}

/* Returns a node without processors; skips the test if there is none. */
static inline int test_node(void)
{
	uint64_t alone = test_nodes("has_memory") & ~test_nodes("has_cpu");

	if (!alone)
		test_skip("no NUMA node without processors");
	return __builtin_ctzll(alone);
}

static inline struct uhmm_device *test_node_device(struct uhmm *u,
						   const char *size)
{
	char spec[64];

	snprintf(spec, sizeof(spec), "numa:%s%snode=%d", size, *size ? "," : "",
		 test_node());
	return test_device(u, spec);
}

/* Pages that are on @node, as the kernel has it. */
static inline size_t test_count_node(const void *p, size_t npages, int node)
{
	static void *page[MAX_PAGES];
	static int status[MAX_PAGES];
	size_t n = 0;

	CHECK(npages <= MAX_PAGES);
	for (size_t i = 0; i < npages; i++)
		page[i] = (char *)p + i * PAGE;
	CHECK_EQ(syscall(SYS_move_pages, 0, npages, page, NULL, status, 0), 0);
	for (size_t i = 0; i < npages; i++)
		n += status[i] == node;
	return n;
}

/* All there, and uhmm, the kernel and the device's count agree. */
static inline void test_all_on(struct uhmm *u, const void *p, size_t npages,
			       struct uhmm_device *dev)
{
	CHECK_EQ(test_count_on(u, p, npages, dev), npages);
	CHECK_EQ(test_count_node(p, npages, test_node()), dev ? npages : 0);
}

#endif
