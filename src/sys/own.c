/* SPDX-License-Identifier: MIT */
/*
 * own.c - which addresses are our own; see sys.h
 *
 * A sorted table with a range for each mapping.  It is asked on any thread, so
 * it lies in memory straight from the kernel, and has a lock of its own that
 * is held for a few instructions, or for one mmap(2).
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/kernel.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define PAGE ((size_t)4096)

struct own {
	uintptr_t start, end;
};

static struct sys_mutex lock;
static struct own *table;
static size_t nr, size;

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

void sys_own_lock(void)
{
	sys_mutex_lock(&lock);
}

void sys_own_unlock(void)
{
	sys_mutex_unlock(&lock);
}

/* Listed before anybody else can find it mapped. */
int sys_own_map(size_t len, int prot, int flags, uintptr_t *ret_addr)
{
	int ret;

	sys_mutex_lock(&lock);
	ret = grow();
	if (!ret)
		ret = sys_mmap(0, len, prot, flags, ret_addr);
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

static _Atomic uint32_t *mark;

int sys_mark_process(void)
{
	uintptr_t addr;
	int ret;

	if (!mark) {
		ret = sys_own_map(PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, &addr);
		if (ret)
			return ret;
		ret = sys_madvise(addr, PAGE, MADV_WIPEONFORK);
		if (ret) {
			sys_own_unmap(addr, PAGE);
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
	return !mark || atomic_load_explicit(mark, memory_order_relaxed);
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
