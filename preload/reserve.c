// SPDX-License-Identifier: MIT
/*
 * Address space for the arenas, in one piece, so that their memory makes few
 * regions.  The reserve is mapped without access; a part gets access as it is
 * handed out.  No part is given back: jemalloc keeps and reuses it.
 *
 * A block counts as used while any page of it is committed: with transparent
 * huge pages the kernel fills a whole block on its first touch.
 */
#include <sys/resource.h>

#include "preload.h"

#define MAX_RESERVES 64
#define RESERVE_SIZE ((size_t)64 << 30)
/* The size where RLIMIT_AS limits the address space. */
#define SMALL_RESERVE ((size_t)64 << 20)

struct reserve {
	uintptr_t start, end;
	_Atomic uintptr_t next; /* the end of the part handed out */
	uint16_t *pages;	/* number of committed pages in each block */
};

/* Entries are only ever added: a forked child reads them without a lock. */
static struct reserve reserves[MAX_RESERVES];
static _Atomic size_t nr_reserves;
static size_t used_blocks;

static bool map_reserve(struct reserve *r, size_t len)
{
	size_t counters = page_up(len / BLOCK * sizeof(*r->pages));
	void *p = sys_mmap(NULL, len + BLOCK, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	/*
	 * Keep the reserve out of core dumps, which a debugger writes in full.
	 */
	madvise(p, len + BLOCK, MADV_DONTDUMP);
	r->pages = own_alloc(counters);
	if (!r->pages) {
		sys_munmap(p, len + BLOCK);
		return false;
	}
	r->start = ((uintptr_t)p + BLOCK - 1) & ~(BLOCK - 1);
	r->end = r->start + len;
	r->next = r->start;
	return true;
}

static struct reserve *add_reserve(size_t least)
{
	size_t nr = atomic_load(&nr_reserves);
	size_t len = RESERVE_SIZE;
	struct rlimit limit;

	if (nr == MAX_RESERVES || least > SIZE_MAX - 2 * BLOCK)
		return NULL;
	if (getrlimit(RLIMIT_AS, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		len = SMALL_RESERVE;
	least = (least + BLOCK - 1) & ~(BLOCK - 1);
	if (len < least)
		len = least;
	while (!map_reserve(&reserves[nr], len)) {
		len = len / 2 & ~(BLOCK - 1);
		if (len < least)
			return NULL;
	}
	atomic_store(&nr_reserves, nr + 1);
	return &reserves[nr];
}

static void *take_from(struct reserve *r, size_t len, size_t align)
{
	uintptr_t start = (r->next + align - 1) & ~(align - 1);

	if (start > r->end || len > r->end - start)
		return NULL;
	if (mprotect((void *)start, len, PROT_READ | PROT_WRITE) < 0)
		return NULL;
	madvise((void *)start, len, MADV_DODUMP);
	atomic_store(&r->next, start + len);
	return (void *)start;
}

void *reserve_take(size_t len, size_t align)
{
	size_t nr = atomic_load(&nr_reserves);
	struct reserve *r;

	if (align < PAGE)
		align = PAGE;
	/*
	 * The newest first; an older reserve may have room for a small extent.
	 */
	for (size_t i = nr; i-- > 0;) {
		void *p = take_from(&reserves[i], len, align);

		if (p)
			return p;
	}
	r = add_reserve(len + align);
	return r ? take_from(r, len, align) : NULL;
}

static struct reserve *find_reserve(uintptr_t addr)
{
	size_t nr = atomic_load(&nr_reserves);

	for (size_t i = 0; i < nr; i++)
		if (addr >= reserves[i].start && addr < reserves[i].end)
			return &reserves[i];
	return NULL;
}

bool reserve_has(uintptr_t addr)
{
	return find_reserve(addr);
}

bool reserve_is_same(uintptr_t a, uintptr_t b)
{
	return find_reserve(a) == find_reserve(b);
}

/* The number of pages of [start, end) that lie in the block of @start. */
static size_t pages_in_block(uintptr_t start, uintptr_t end)
{
	uintptr_t next = (start | (BLOCK - 1)) + 1;

	return ((end < next ? end : next) - start) / PAGE;
}

void reserve_commit(uintptr_t start, uintptr_t end)
{
	struct reserve *r = find_reserve(start);

	while (r && start < end) {
		uint16_t *pages = &r->pages[(start - r->start) / BLOCK];
		size_t n = pages_in_block(start, end);

		used_blocks += *pages == 0;
		*pages += n;
		start += n * PAGE;
	}
}

void reserve_decommit(uintptr_t start, uintptr_t end)
{
	struct reserve *r = find_reserve(start);

	while (r && start < end) {
		uint16_t *pages = &r->pages[(start - r->start) / BLOCK];
		size_t n = pages_in_block(start, end);

		used_blocks -= *pages != 0 && *pages <= n;
		*pages = *pages > n ? *pages - n : 0;
		start += n * PAGE;
	}
}

size_t reserve_bytes(void)
{
	return used_blocks * BLOCK;
}

bool reserve_part(size_t n, struct range *ret)
{
	if (n >= atomic_load(&nr_reserves))
		return false;
	*ret = (struct range){ reserves[n].start, reserves[n].next };
	return true;
}
