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
 *
 * A change is made in a second table, which is whole when it takes the place of
 * the first: so the child of a fork(2) finds a whole table, even if a thread of
 * the parent held the lock.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/cpu.h"
#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/nodes.h"
#include "sys/sys.h"

#define FIRST 240

struct own {
	uintptr_t start, end;
};

/* @mapping, @len: of both */
struct own_table {
	struct own_table *other;
	uintptr_t mapping;
	size_t len, room, nr;
	struct own own[];
};

static struct sys_mutex lock;
static struct own_table *_Atomic table;

static uint16_t avoiders[SYS_MAX_NODES]; /* how many avoid each node */
static unsigned nr_avoided;
/* The nodes that nobody avoids; valid while any node is avoided. */
static struct sys_nodes ours;

/* The first range that ends after @addr. */
static size_t find_own(const struct own_table *t, uintptr_t addr)
{
	size_t low = 0, high = t->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->own[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void copy_own(struct own_table *to, const struct own_table *from)
{
	to->nr = from->nr;
	memcpy(to->own, from->own, from->nr * sizeof(*from->own));
}

static void insert_own(struct own_table *t, uintptr_t start, size_t len)
{
	size_t at = find_own(t, start);

	memmove(t->own + at + 1, t->own + at, (t->nr - at) * sizeof(*t->own));
	t->own[at] = (struct own){ start, start + len };
	t->nr++;
}

static void add_own(uintptr_t start, size_t len)
{
	struct own_table *from = atomic_load(&table), *to = from->other;

	copy_own(to, from);
	insert_own(to, start, len);
	atomic_store(&table, to);
}

/* Remove a range of the table, or one end of it. */
static void del_own(uintptr_t start, size_t len)
{
	struct own_table *from = atomic_load(&table), *to = from->other;
	struct own *o = to->own + find_own(from, start);

	copy_own(to, from);
	if (o->start < start) {
		o->end = start;
	} else if (o->end > start + len) {
		o->start = start + len;
	} else {
		to->nr--;
		memmove(o, o + 1, (size_t)(to->own + to->nr - o) * sizeof(*o));
	}
	atomic_store(&table, to);
}

/* ---- Nodes ---- */

static int bind_new(uintptr_t addr, size_t len)
{
	return nr_avoided ? sys_nodes_bind(addr, len, &ours) : 0;
}

/* Bind all listed mappings, and move the pages that they have. */
static int bind_all(void)
{
	const struct own_table *t = atomic_load(&table);
	int err = 0;

	for (size_t i = 0; t && i < t->nr && !err; i++)
		err = sys_nodes_gather(t->own[i].start,
				       t->own[i].end - t->own[i].start,
				       nr_avoided ? &ours : NULL);
	return err;
}

/* The nodes that no device avoids. */
static int find_others(struct sys_nodes *ret)
{
	int err = sys_nodes_allowed(ret);

	for (int i = 0; i < SYS_MAX_NODES; i++)
		if (avoiders[i])
			sys_nodes_set(ret, i, false);
	return !err && sys_nodes_next(ret, 0) < 0 ? -ENODEV : err;
}

static int avoid_for_own(int node, bool on)
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
	err = avoid_for_own(node, on);
	if (err && on)
		avoid_for_own(node, false);
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

/*
 * Tables are made large and used in part.  Where transparent huge pages are on
 * for all memory, the first byte of each would take 2 MiB.
 */
static int prepare_own(uintptr_t addr, size_t len, int prot)
{
	int ret = bind_new(addr, len);

	call(SYS_madvise, (long)addr, (long)len, MADV_NOHUGEPAGE, 0, 0, 0);
	if (!ret)
		ret = sys_munlock(addr, len);
	if (!ret && prot != PROT_NONE)
		ret = sys_mprotect(addr, len, prot);
	return ret;
}

/*
 * Under mlockall(MCL_FUTURE) the kernel would fill the whole mapping at once,
 * and keep it in RAM.  Without access nothing is filled, and the lock is taken
 * off before access is given.
 */
static int map_unlocked(size_t len, int prot, int flags, uintptr_t *ret_addr)
{
	int ret = sys_mmap(0, len, PROT_NONE, flags, ret_addr);

	if (ret)
		return ret;
	ret = prepare_own(*ret_addr, len, prot);
	if (ret)
		sys_munmap(*ret_addr, len);
	return ret;
}

/* Map both tables in one mapping, and list it in them. */
static int map_tables(size_t room, struct own_table **ret)
{
	size_t half = (sizeof(**ret) + room * sizeof(struct own) +
		       SYS_PAGE_SIZE - 1) &
		      ~(SYS_PAGE_SIZE - 1);
	struct own_table *t;
	uintptr_t addr;
	int err;

	err = map_unlocked(2 * half, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, &addr);
	if (err)
		return err;
	t = (struct own_table *)addr;
	t->other = (struct own_table *)(addr + half);
	t->mapping = addr;
	t->len = 2 * half;
	t->room = room;
	*t->other = *t;
	t->other->other = t;
	*ret = t;
	return 0;
}

/* Have room for two more ranges, and one for a larger table. */
static int grow_own(void)
{
	struct own_table *old = atomic_load(&table), *t;
	int ret;

	if (old && old->nr + 3 <= old->room)
		return 0;
	ret = map_tables(old ? 2 * old->room : FIRST, &t);
	if (ret)
		return ret;
	if (old)
		copy_own(t, old);
	insert_own(t, t->mapping, t->len);
	atomic_store(&table, t);
	if (old) {
		del_own(old->mapping, old->len);
		sys_munmap(old->mapping, old->len);
	}
	return 0;
}

/* A thread of the parent may have held the lock: it does not exist here. */
void sys_own_child(void)
{
	sys_mutex_reset(&lock);
}

/* List the range before another thread can find it mapped. */
int sys_own_map(size_t len, int prot, int flags, uintptr_t *ret_addr)
{
	int ret;

	sys_mutex_lock(&lock);
	ret = grow_own();
	if (!ret)
		ret = map_unlocked(len, prot, flags, ret_addr);
	if (!ret)
		add_own(*ret_addr, len);
	sys_mutex_unlock(&lock);
	return ret;
}

void sys_own_unmap(uintptr_t addr, size_t len)
{
	sys_mutex_lock(&lock);
	del_own(addr, len);
	sys_mutex_unlock(&lock);
	sys_munmap(addr, len);
}

static _Atomic uint32_t *_Atomic mark;

int sys_mark_process(void)
{
	uintptr_t addr;
	int ret;

	if (!mark) {
		ret = sys_own_map(SYS_PAGE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, &addr);
		if (ret)
			return ret;
		ret = sys_madvise(addr, SYS_PAGE_SIZE, MADV_WIPEONFORK);
		if (ret) {
			sys_own_unmap(addr, SYS_PAGE_SIZE);
			return ret;
		}
		mark = (_Atomic uint32_t *)addr;
	}
	atomic_store(mark, 1);
	return 0;
}

void sys_remark_process(void)
{
	if (mark)
		atomic_store(mark, 1);
}

bool sys_is_marked_process(void)
{
	_Atomic uint32_t *m = atomic_load_explicit(&mark, memory_order_relaxed);

	return !m || atomic_load_explicit(m, memory_order_relaxed);
}

bool sys_own_next(uintptr_t addr, uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct own_table *t;
	bool found;
	size_t at;

	sys_mutex_lock(&lock);
	t = atomic_load(&table);
	at = t ? find_own(t, addr) : 0;
	found = t && at < t->nr;
	if (found) {
		*ret_start = t->own[at].start;
		*ret_end = t->own[at].end;
	}
	sys_mutex_unlock(&lock);
	return found;
}
