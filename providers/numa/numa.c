// SPDX-License-Identifier: MIT
/*
 * numa.c - a NUMA node as coherent device memory: CXL, HBM, or any node that is
 * kept for programs that ask for it.
 *
 *	numa:[SIZE,]node=N
 *
 * The kernel moves the pages.  The provider only names the node, and refuses a
 * node that cannot be spared.
 */
#include <errno.h>
#include <string.h>

#include <uhmm/provider.h>

#include "../pages.h"
#include "../sysfs.h"

#define NODES	 "/sys/devices/system/node/"
#define MAX_NODE 1023

static int parse_node(const char *s, int *ret)
{
	const char *text = s;
	uint64_t n;

	if (!sysfs_number(&s, &n) || *s || n > MAX_NODE)
		return uhmm_provider_fail(-EINVAL,
					  "node=%s: not a number from 0 to %d",
					  text, MAX_NODE);
	*ret = (int)n;
	return 0;
}

/* Pages of memory on the node; 0: the node has none, or does not exist. */
static uint64_t node_pages(int node)
{
	static const char key[] = "MemTotal:";
	char path[64], text[512];
	const char *p;
	uint64_t kib;

	uhmm_format(path, sizeof(path), NODES "node%d/meminfo", node);
	if (!sysfs_read(path, text, sizeof(text)))
		return 0;
	p = strstr(text, key);
	if (!p)
		return 0;
	p += sizeof(key) - 1;
	p += strspn(p, " ");
	return sysfs_number(&p, &kib) ? pages_in(kib << 10) : 0;
}

/* Does another node have memory?  The kernel's list looks like "0-1,4". */
static bool others_have_memory(uint64_t node)
{
	uint64_t first, last;
	const char *p;
	bool any = false;
	char text[256];

	sysfs_read(NODES "has_memory", text, sizeof(text));
	for (p = text; sysfs_number(&p, &first); p += *p == ',') {
		last = first;
		if (*p == '-') {
			p++;
			sysfs_number(&p, &last);
		}
		any |= first != node || last != node;
	}
	return any;
}

static const struct uhmm_device_ops numa_ops = {
	.size = sizeof(numa_ops),
};

/* @npages: of the node; @wanted: by the specification, 0: all */
static int check_node(int node, uint64_t npages, uint64_t wanted)
{
	if (!npages)
		return uhmm_provider_fail(
			-ENODEV,
			"node=%d: there is no such node with memory; see %s",
			node, NODES "has_memory");
	if (!others_have_memory((uint64_t)node))
		return uhmm_provider_fail(
			-EBUSY,
			"node=%d: no other node has memory, so nothing would "
			"be left for the CPU",
			node);
	if (wanted > npages)
		return uhmm_provider_fail(-ENOMEM, "node=%d: has %ju MiB only",
					  node,
					  (uintmax_t)bytes_of(npages) >> 20);
	return 0;
}

static int numa_open(const char *const *values, struct uhmm_device_desc *desc,
		     void **ret_priv)
{
	uint64_t npages;
	int node = 0, err;

	if (parse_node(values[0], &node))
		return -EINVAL;
	npages = node_pages(node);
	err = check_node(node, npages, desc->npages);
	if (err)
		return err;
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
