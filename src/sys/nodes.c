/* SPDX-License-Identifier: MIT */
/* nodes.c - see nodes.h */
#include "sys/nodes.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/fail.h"

int sys_nodes_next(const struct sys_nodes *n, int node)
{
	for (; node < SYS_MAX_NODES; node++)
		if (sys_nodes_has(n, node))
			return node;
	return -1;
}

bool sys_nodes_equal(const struct sys_nodes *a, const struct sys_nodes *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static int get_mempolicy(int *mode, struct sys_nodes *ret, uintptr_t addr,
			 int flags)
{
	memset(ret, 0, sizeof(*ret));
	if (sys_should_fail("get_mempolicy"))
		return -ENOSYS;
	return (int)call(SYS_get_mempolicy, (long)mode, (long)ret,
			 SYS_MAX_NODES, (long)addr, flags, 0);
}

int sys_nodes_allowed(struct sys_nodes *ret)
{
	return get_mempolicy(NULL, ret, 0, MPOL_F_MEMS_ALLOWED);
}

int sys_nodes_current(void)
{
	unsigned cpu, node;

	return call(SYS_getcpu, (long)&cpu, (long)&node, 0, 0, 0, 0) ?
		       0 :
		       (int)node;
}

/* The kernel leaves out the last bit of what it is told. */
static int mbind(uintptr_t addr, size_t len, const struct sys_nodes *nodes,
		 int flags)
{
	if (sys_should_fail("mbind"))
		return -ENOMEM;
	return (int)call(SYS_mbind, (long)addr, (long)len,
			 nodes ? MPOL_BIND : MPOL_DEFAULT, (long)nodes,
			 nodes ? SYS_MAX_NODES + 1 : 0, flags);
}

int sys_nodes_bind(uintptr_t addr, size_t len, const struct sys_nodes *nodes)
{
	return mbind(addr, len, nodes, 0);
}

/* Pages that cannot be moved stay where they are, without an error. */
int sys_nodes_gather(uintptr_t addr, size_t len, const struct sys_nodes *nodes)
{
	int ret = mbind(addr, len, nodes, nodes ? MPOL_MF_MOVE : 0);

	return ret == -EIO ? 0 : ret;
}

int sys_nodes_policy(uintptr_t addr, enum sys_nodes_policy *ret_policy,
		     struct sys_nodes *ret)
{
	int mode, err = get_mempolicy(&mode, ret, addr, MPOL_F_ADDR);

	if (err)
		return err;
	*ret_policy = SYS_NODES_OTHER;
	if (mode == MPOL_DEFAULT)
		*ret_policy = SYS_NODES_ANY;
	if (mode == MPOL_BIND)
		*ret_policy = SYS_NODES_BOUND;
	return 0;
}

long sys_move_pages(size_t n, void *const *pages, const int *nodes,
		    int *ret_status)
{
	if (sys_should_fail("move_pages"))
		return -ENOSYS;
	return call(SYS_move_pages, 0, (long)n, (long)pages, (long)nodes,
		    (long)ret_status, nodes ? MPOL_MF_MOVE : 0);
}
