/* SPDX-License-Identifier: MIT */
/*
 * nodes.h - NUMA nodes: where memory may be, and where pages are.
 *
 * Results and errors as in kernel.h, and each call can be told to fail.
 */
#ifndef UHMM_NODES_H
#define UHMM_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYS_MAX_NODES 1024 /* as many as Linux knows */

struct sys_nodes {
	uint64_t w[SYS_MAX_NODES / 64];
};

static inline bool sys_nodes_has(const struct sys_nodes *n, int node)
{
	return node >= 0 && node < SYS_MAX_NODES &&
	       n->w[node / 64] >> (node % 64) & 1;
}

static inline void sys_nodes_set(struct sys_nodes *n, int node, bool on)
{
	uint64_t bit = UINT64_C(1) << (node % 64);

	n->w[node / 64] = on ? n->w[node / 64] | bit : n->w[node / 64] & ~bit;
}

/* The first node from @node on, or -1. */
int sys_nodes_next(const struct sys_nodes *n, int node);
bool sys_nodes_equal(const struct sys_nodes *a, const struct sys_nodes *b);

/* The nodes that this process may have memory of.  -ENOSYS: no NUMA. */
int sys_nodes_allowed(struct sys_nodes *ret);
/* The node of the CPU that runs this thread at this moment. */
int sys_nodes_current(void);

enum sys_nodes_policy {
	SYS_NODES_ANY,	 /* no policy: the kernel chooses */
	SYS_NODES_BOUND, /* these nodes only */
	SYS_NODES_OTHER, /* another policy, set by the application */
};

/* Where the next pages of [addr, addr + len) come from; NULL: anywhere. */
int sys_nodes_bind(uintptr_t addr, size_t len, const struct sys_nodes *nodes);
/* sys_nodes_bind(), and move pages that are on other nodes. */
int sys_nodes_gather(uintptr_t addr, size_t len, const struct sys_nodes *nodes);
/* The policy of the mapping at @addr.  *@ret: the nodes, if it is bound. */
int sys_nodes_policy(uintptr_t addr, enum sys_nodes_policy *ret_policy,
		     struct sys_nodes *ret);

/*
 * Move each of @n pages of this process to its entry of @nodes; NULL: only
 * look.  @ret_status: for each page its node, or -errno.  Return: 0; the number
 * of pages not moved, and then a status may be stale; -errno.
 */
long sys_move_pages(size_t n, void *const *pages, const int *nodes,
		    int *ret_status);

#endif
