/* SPDX-License-Identifier: MIT */
/*
 * own.c - which addresses are our own; see sys.h
 *
 * A sorted table with a range for each mapping.  It is asked on any thread, so
 * it lies in memory straight from the kernel, and has a lock of its own that
 * is held for a few instructions, or for one mmap(2).
 *
 * Nodes that are devices are none of ours: while there are any, each mapping
 * is bound to the others.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/nodes.h"
#include "sys/sys.h"

struct own {
	uintptr_t start, end;
};

static struct sys_mutex lock;
static struct own *table;
static size_t nr, size;

static uint16_t avoiders[SYS_MAX_NODES]; /* of each node */
static unsigned nr_avoided;
static struct sys_nodes ours; /* the others; good while any is avoided */

/* The first range that ends after @addr. */
static size_t find(uintptr_t addr)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void add(uintptr_t start, size_t len)
{
	size_t at = find(start);

	memmove(table + at + 1, table + at, (nr - at) * sizeof(*table));
	table[at] = (struct own){ start, start + len };
	nr++;
}

/* A range, or one end of it. */
static void del(uintptr_t start, size_t len)
{
	struct own *o = table + find(start);

	if (o->start < start) {
		o->end = start;
	} else if (o->end > start + len) {
		o->start = start + len;
	} else {
		nr--;
		memmove(o, o + 1, (size_t)(table + nr - o) * sizeof(*o));
	}
}

/* ---- Nodes ---- */

static int bind_new(uintptr_t addr, size_t len)
{
	return nr_avoided ? sys_nodes_bind(addr, len, &ours) : 0;
}

/* What is there already goes along. */
static int bind_all(void)
{
	int err = 0;

	for (size_t i = 0; i < nr && !err; i++)
		err = sys_nodes_gather(table[i].start,
				       table[i].end - table[i].start,
				       nr_avoided ? &ours : NULL);
	return err;
}

/* Those that nobody avoids. */
static int find_others(struct sys_nodes *ret)
{
	int err = sys_nodes_allowed(ret);

	for (int i = 0; i < SYS_MAX_NODES; i++)
		if (avoiders[i])
			sys_nodes_set(ret, i, false);
	return !err && sys_nodes_next(ret, 0) < 0 ? -ENODEV : err;
}

static int avoid(int node, bool on)
{
	struct sys_nodes others;
	int err;

	if (on && !avoiders[node]++)
		nr_avoided++;
	else if (!on && !--avoiders[node])
		nr_avoided--;
	err = find_others(&others);
	if (err)
		return err;
	ours = others;
	return bind_all();
}

int sys_own_avoid(int node, bool on)
{
	int err;

	if (node < 0 || node >= SYS_MAX_NODES)
		return -EINVAL;
	sys_mutex_lock(&lock);
	err = avoid(node, on);
	if (err && on)
		avoid(node, false);
	sys_mutex_unlock(&lock);
	return on ? err : 0;
}

int sys_own_bind(uintptr_t addr, size_t len)
{
	int err;

	sys_mutex_lock(&lock);
	err = bind_new(addr, len);
	sys_mutex_unlock(&lock);
	return err;
}

/* ---- Ranges ---- */

/* Room for two ranges more. */
static int grow(void)
{
	size_t bigger = size ? size * 2 : 4096 / sizeof(*table);
	struct own *old = table;
	uintptr_t addr;
	int ret;

	if (nr + 2 <= size)
		return 0;
	ret = sys_mmap(0, bigger * sizeof(*table), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, &addr);
	if (ret)
		return ret;
	bind_new(addr, bigger * sizeof(*table));
	table = (struct own *)addr;
	if (old)
		memcpy(table, old, nr * sizeof(*table));
	add(addr, bigger * sizeof(*table));
	if (old) {
		del((uintptr_t)old, size * sizeof(*table));
		sys_munmap((uintptr_t)old, size * sizeof(*table));
	}
	size = bigger;
	return 0;
}

static int map_bound(size_t len, int prot, int flags, uintptr_t *ret_addr)
{
	int ret = sys_mmap(0, len, prot, flags, ret_addr);

	if (ret)
		return ret;
	ret = bind_new(*ret_addr, len);
	if (ret)
		sys_munmap(*ret_addr, len);
	return ret;
}

/* Listed before anybody else can find it mapped. */
int sys_own_map(size_t len, int prot, int flags, uintptr_t *ret_addr)
{
	int ret;

	sys_mutex_lock(&lock);
	ret = grow();
	if (!ret)
		ret = map_bound(len, prot, flags, ret_addr);
	if (!ret)
		add(*ret_addr, len);
	sys_mutex_unlock(&lock);
	return ret;
}

void sys_own_unmap(uintptr_t addr, size_t len)
{
	sys_mutex_lock(&lock);
	del(addr, len);
	sys_mutex_unlock(&lock);
	sys_munmap(addr, len);
}

bool sys_own_next(uintptr_t addr, uintptr_t *ret_start, uintptr_t *ret_end)
{
	bool found;
	size_t at;

	sys_mutex_lock(&lock);
	at = find(addr);
	found = at < nr;
	if (found) {
		*ret_start = table[at].start;
		*ret_end = table[at].end;
	}
	sys_mutex_unlock(&lock);
	return found;
}
