/* SPDX-License-Identifier: MIT */
/*
 * table.c - a mirror's page table, and access to memory through it.
 *
 * Four levels of 512 entries, as the CPU's.  An entry is the uhmm_pfn_t that
 * ->map() was given, or 0.  Nodes are never freed before the file is closed.
 *
 * All of it is under file.table_lock, which ->map() and ->invalidate() take as
 * well: when an invalidation returns, no access goes on through what it took.
 * An access touches RAM by process_vm_readv(2); what has an entry is there, so
 * that does not fault, and where a raw system call has torn it away we see
 * EFAULT and drop the entry.
 */
#include <errno.h>
#include <string.h>

#include "dmirror.h"

#define BITS   9
#define SLOTS  (1u << BITS)
#define LEVELS 4
#define LAST   ((UINT64_C(1) << (LEVELS * BITS)) - 1)

static uint64_t *node_alloc(struct file *f)
{
	uint64_t *node = (uint64_t *)(f->nodes + f->nodes_used);

	if (f->nodes_used + PAGE > NODES_SIZE)
		return NULL;
	f->nodes_used += PAGE;
	return node;
}

/* The slot of a page number; NULL if there is none, or no memory for it. */
static uint64_t *find(struct file *f, uint64_t page, bool make)
{
	uint64_t *node = f->table;

	if (page > LAST)
		return NULL;
	if (!node && make)
		node = f->table = node_alloc(f);
	for (unsigned level = LEVELS - 1; node && level; level--) {
		uint64_t *slot = node + (page >> (level * BITS)) % SLOTS;

		if (!*slot && make)
			*slot = (uintptr_t)node_alloc(f);
		node = (uint64_t *)(uintptr_t)*slot;
	}
	return node ? node + page % SLOTS : NULL;
}

static uint64_t get(struct file *f, uintptr_t addr)
{
	uint64_t *slot = find(f, addr / PAGE, false);

	return slot ? *slot : 0;
}

/* Pages @first to @last of those below @node. */
static void clear(uint64_t *node, unsigned level, uint64_t first, uint64_t last)
{
	unsigned shift = level * BITS;
	uint64_t mask = (UINT64_C(1) << shift) - 1;
	uint64_t from = first >> shift, to = last >> shift;

	for (uint64_t i = from; i <= to; i++) {
		if (!node[i])
			continue;
		if (level)
			clear((uint64_t *)(uintptr_t)node[i], level - 1,
			      i == from ? first & mask : 0,
			      i == to ? last & mask : mask);
		else
			node[i] = 0;
	}
}

/* ---- What the library calls ------------------------------------------- */

static int map(void *priv, uintptr_t start, const uhmm_pfn_t *pfns,
	       size_t npages)
{
	struct file *f = priv;
	uint64_t flag = f->exclusive ? ENTRY_EXCLUSIVE : 0;
	int err = 0;

	pthread_mutex_lock(&f->table_lock);
	for (size_t i = 0; i < npages && !err; i++) {
		uint64_t *slot = find(f, (start / PAGE) + i, true);

		if (slot)
			*slot = pfns[i] | flag;
		else
			err = -ENOMEM;
	}
	pthread_mutex_unlock(&f->table_lock);
	return err;
}

static void invalidate(void *priv, uintptr_t start, uintptr_t end,
		       enum uhmm_notify why)
{
	uint64_t first = start / PAGE;
	uint64_t last = (end - 1) / PAGE;
	struct file *f = priv;

	pthread_mutex_lock(&f->table_lock);
	if (f->table && first <= LAST)
		clear(f->table, LEVELS - 1, first, last < LAST ? last : LAST);
	pthread_mutex_unlock(&f->table_lock);
}

const struct uhmm_mirror_ops table_ops = {
	.size = sizeof(table_ops),
	.map = map,
	.invalidate = invalidate,
};

/* ---- What the device does --------------------------------------------- */

uint64_t table_entry(struct file *f, uintptr_t addr)
{
	uint64_t entry;

	pthread_mutex_lock(&f->table_lock);
	entry = get(f, addr);
	pthread_mutex_unlock(&f->table_lock);
	return entry;
}

/* A page that is exclusive to the device for atomics is not one to write. */
static bool allows(uint64_t entry, bool write)
{
	if (!write)
		return entry;
	return entry & UHMM_PFN_WRITE && !(entry & ENTRY_EXCLUSIVE);
}

/* Pages of RAM from @addr on that lie side by side, at most @npages. */
static size_t run_length(struct file *f, uintptr_t addr, size_t npages,
			 bool write)
{
	char *first = uhmm_pfn_addr(get(f, addr));
	size_t n = 1;

	for (; n < npages; n++) {
		uint64_t entry = get(f, addr + n * PAGE);

		if (!allows(entry, write) || uhmm_pfn_device(entry) ||
		    (char *)uhmm_pfn_addr(entry) != first + n * PAGE)
			break;
	}
	return n;
}

/* Whole pages copied. */
static size_t copy_ram(struct file *f, uintptr_t addr, unsigned char *data,
		       size_t npages, bool write)
{
	size_t n = run_length(f, addr, npages, write);
	uintptr_t at = (uintptr_t)uhmm_pfn_addr(get(f, addr));
	size_t done = write ? vm_write(at, data, n * PAGE) :
			      vm_read(data, at, n * PAGE);

	done /= PAGE;
	if (done < n)
		*find(f, (addr / PAGE) + done, false) = 0;
	return done;
}

static size_t copy_device(struct file *f, uint64_t entry, unsigned char *data,
			  bool write)
{
	unsigned char *page = device_page(f->device, entry);

	if (write)
		memcpy(page, data, PAGE);
	else
		memcpy(data, page, PAGE);
	return 1;
}

static size_t copy(struct file *f, uintptr_t addr, unsigned char *data,
		   size_t npages, bool write)
{
	size_t done = 0;

	pthread_mutex_lock(&f->table_lock);
	while (done < npages) {
		uint64_t entry = get(f, addr);
		size_t n;

		if (!allows(entry, write))
			break;
		if (uhmm_pfn_device(entry))
			n = copy_device(f, entry, data, write);
		else
			n = copy_ram(f, addr, data, npages - done, write);
		if (!n)
			break;
		done += n;
		addr += n * PAGE;
		data += n * PAGE;
	}
	pthread_mutex_unlock(&f->table_lock);
	return done;
}

size_t table_read(struct file *f, uintptr_t addr, void *to, size_t npages)
{
	return copy(f, addr, to, npages, false);
}

size_t table_write(struct file *f, uintptr_t addr, void *from, size_t npages)
{
	return copy(f, addr, from, npages, true);
}
