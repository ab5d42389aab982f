// SPDX-License-Identifier: MIT
/*
 * numa.c - a NUMA node as coherent device memory: CXL, HBM, any node that one
 * wants kept for what asks for it.
 *
 *	numa:[SIZE,]node=N
 *
 * The kernel moves the pages, so there is nothing to do but to say which node,
 * and to refuse one that cannot be spared.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uhmm/provider.h>

#define NODES "/sys/devices/system/node/"

static int parse_node(const char *s, int *ret)
{
	char *end;
	long n;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || *end || n > 1023)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

/* Pages of memory that the node has; 0: none, or no such node. */
static uint64_t node_pages(int node)
{
	unsigned long long kib = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), NODES "node%d/meminfo", node);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Node %*d MemTotal: %llu", &kib) == 1)
			break;
	fclose(f);
	return kib >> (UHMM_PAGE_SHIFT - 10);
}

/* Is there memory elsewhere?  The list is as in "0-1,4". */
static int others_have_memory(int node)
{
	int first, last, n, any = 0;
	char line[256], *p = line;
	FILE *f = fopen(NODES "has_memory", "re");

	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	while (sscanf(p, "%d%n", &first, &n) == 1) {
		p += n;
		last = first;
		if (sscanf(p, "-%d%n", &last, &n) == 1)
			p += n;
		any |= first != node || last != node;
		p += *p == ',';
	}
	return any;
}

static const struct uhmm_device_ops numa_ops = {
	.size = sizeof(numa_ops),
};

static int numa_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t npages;
	int node;

	if (parse_node(values[0], &node))
		return -EINVAL;
	npages = node_pages(node);
	if (!npages)
		return -ENODEV;
	if (!others_have_memory(node))
		return -EBUSY;
	if (desc->npages > npages)
		return -ENOMEM;
	if (!desc->npages)
		desc->npages = npages;
	desc->type = UHMM_MEMORY_DEVICE_COHERENT;
	desc->flags = UHMM_DEVICE_NODE | UHMM_DEVICE_CONCURRENT;
	desc->node = node;
	desc->ops = &numa_ops;
	*ret_priv = NULL;
	return 0;
}

static const struct uhmm_option numa_options[] = {
	{ "node", NULL, "its number, as in /sys/devices/system/node" },
	{ NULL, NULL, NULL },
};

const struct uhmm_provider provider_numa = {
	.size = sizeof(provider_numa),
	.abi = UHMM_PROVIDER_ABI,
	.name = "numa",
	.summary = "a NUMA node, kept for what asks for it (CXL, HBM)",
	.options = numa_options,
	.open = numa_open,
};
