/* SPDX-License-Identifier: MIT */
/*
 * uhmm.cl.h - the process's addresses in kernels.  See uhmm-opencl(7).
 *
 * OpenCL C 1.2.  uhmm_cl_build() puts this in front of a program's source.
 *
 * A page that is not on the device is missed: the miss is noted, and the
 * work-item has to return.  The host brings the page and launches again;
 * work-items that were done before return at once.
 *
 *	__kernel void twice(UHMM_ARGS, ulong data, ulong n)
 *	{
 *		UHMM_BEGIN(u);
 *		ulong at = data + get_global_id(0) * n, len = n;
 *
 *		if (!uhmm_need(&u, at, len, UHMM_WRITE))
 *			return;
 *		while (len) {
 *			ulong part = len;
 *			__global int *p = uhmm_span(&u, at, &part, UHMM_WRITE);
 *
 *			for (ulong i = 0; i < part / 4; i++)
 *				p[i] *= 2;
 *			at += part;
 *			len -= part;
 *		}
 *		UHMM_END(u);
 *	}
 *
 * What is found with UHMM_READ must not be written to: the process may see the
 * old data when the page has come home.  Nor is it sure that a page that was
 * found so can be written to: ask again, with UHMM_WRITE.
 *
 * What was found in a launch stays there until that launch ends.  A work-item
 * that missed begins anew, and finds what it wrote before it missed.  So
 * misses come first and writes last.  Where that cannot be for a whole
 * work-item, as it reads in one page which one comes next, each of its steps
 * has to be safe:
 *
 *	next = uhmm_at(&u, list + i * 8, UHMM_READ);
 *	mark = next ? uhmm_at(&u, *next, UHMM_WRITE) : 0;
 *	found = mark ? uhmm_at(&u, counter, UHMM_WRITE) : 0;
 *	if (!found)
 *		return;
 *	if (atomic_cmpxchg(mark, NEW, DONE) == NEW)
 *		atomic_inc(found);
 *
 * All that belongs together is asked for before the first write of it; and a
 * step that is done again, here or by another work-item, does nothing (what
 * says that it was done is looked at, and set, in one atomic), or writes the
 * same.  Atomics and "*= 2" that nothing guards are never safe to repeat: ask
 * by uhmm_need() for all that the work-item needs before the first of them.
 */
#ifndef UHMM_CL_H
#define UHMM_CL_H

#define UHMM_READ  0u
#define UHMM_WRITE 1u

#ifndef UHMM_PAGE_SHIFT /* as uhmm_cl_build() says */
#define UHMM_PAGE_SHIFT 12
#endif
#define UHMM_PAGE_MASK ((1ul << UHMM_PAGE_SHIFT) - 1)

/* The page table: a directory, then leaves.  An entry: dpfn, and two flags. */
#define UHMM_LEAF_BITS	 15
#define UHMM_DIR_BITS	 20
#define UHMM_LEAF_MASK	 ((1ul << UHMM_LEAF_BITS) - 1)
#define UHMM_ENTRY_VALID 1u
#define UHMM_ENTRY_WRITE 2u
#define UHMM_ENTRY_SHIFT 2

/* The ring of misses: a head, then page << 24 | pages << 1 | write. */
#define UHMM_RING_COUNT	 0 /* misses, also those that had no room */
#define UHMM_RING_SIZE	 1 /* how many there is room for */
#define UHMM_RING_X	 2 /* work-items in a row, of all launches together */
#define UHMM_RING_XY	 3 /* the same in a plane */
#define UHMM_RING_NPAGES 4 /* of the device */
#define UHMM_RING_HEAD	 8

/* The first parameters of a kernel, and how they are passed on. */
#define UHMM_ARGS                                                     \
	__global uchar *uhmm_pool, __global const uint *uhmm_table,   \
		__global uchar *uhmm_used, __global ulong *uhmm_ring, \
		__global uchar *uhmm_done

/*
 * @used: a byte for each device page, 1: accessed; then one for each, 1:
 *	written
 * @id: of the work-item, among all of the launches together
 */
struct uhmm_space {
	__global uchar *pool;
	__global const uint *table;
	__global uchar *used;
	__global ulong *ring;
	__global uchar *done;
	ulong id;
};

/* In a launch that is a part, get_global_size() is that of the part. */
#define UHMM_BEGIN(u)                                                          \
	struct uhmm_space u = {                                                \
		uhmm_pool,                                                     \
		uhmm_table,                                                    \
		uhmm_used,                                                     \
		uhmm_ring,                                                     \
		uhmm_done,                                                     \
		get_global_id(0) + get_global_id(1) * uhmm_ring[UHMM_RING_X] + \
			get_global_id(2) * uhmm_ring[UHMM_RING_XY]             \
	};                                                                     \
	if (u.done[u.id])                                                      \
	return

#define UHMM_END(u) ((u).done[(u).id] = 1)

/* 0 if there is none, or it is not to be written to. */
static inline uint uhmm_entry(const struct uhmm_space *u, ulong page,
			      uint write)
{
	ulong dir = page >> UHMM_LEAF_BITS;
	uint leaf, entry, want;

	if (dir >> UHMM_DIR_BITS)
		return 0;
	leaf = u->table[dir];
	if (!leaf)
		return 0;
	entry = u->table[(1ul << UHMM_DIR_BITS) +
			 ((ulong)(leaf - 1) << UHMM_LEAF_BITS) +
			 (page & UHMM_LEAF_MASK)];
	want = UHMM_ENTRY_VALID | (write ? UHMM_ENTRY_WRITE : 0);
	return (entry & want) == want ? entry : 0;
}

/* Note what is missing; when there is no room it is asked for again. */
static inline void uhmm_miss(const struct uhmm_space *u, ulong page, ulong n,
			     uint write)
{
	__global volatile uint *count =
		(__global volatile uint *)(u->ring + UHMM_RING_COUNT);
	uint i = atomic_inc(count);

	if (i < (uint)u->ring[UHMM_RING_SIZE])
		u->ring[UHMM_RING_HEAD + i] = page << 24 | n << 1 | write;
}

static inline void uhmm_mark(const struct uhmm_space *u, uint entry, uint write)
{
	__global uchar *used = u->used + (entry >> UHMM_ENTRY_SHIFT);

	used[0] = 1;
	if (write)
		used[u->ring[UHMM_RING_NPAGES]] = 1;
}

static inline __global uchar *uhmm_page(const struct uhmm_space *u, uint entry)
{
	return u->pool +
	       ((ulong)(entry >> UHMM_ENTRY_SHIFT) << UHMM_PAGE_SHIFT);
}

/*
 * Are all pages of @len bytes at @addr there?  If not all that are missing are
 * noted, and the work-item should return.
 */
static inline int uhmm_need(const struct uhmm_space *u, ulong addr, ulong len,
			    uint write)
{
	ulong page = addr >> UHMM_PAGE_SHIFT;
	ulong end = ((addr + len - 1) >> UHMM_PAGE_SHIFT) + 1;
	ulong missing = 0;
	int all = 1;

	if (!len)
		return 1;
	for (; page < end; page++) {
		uint entry = uhmm_entry(u, page, write);

		if (!entry && missing < UHMM_LEAF_MASK) {
			missing++;
			all = 0;
			continue;
		}
		if (missing)
			uhmm_miss(u, page - missing, missing, write);
		missing = !entry;
	}
	if (missing)
		uhmm_miss(u, page - missing, missing, write);
	return all;
}

/*
 * Where @addr is, or 0 when it was missed; *@len becomes what lies in one run
 * from there on.  Asks once a page: for streams.
 */
static inline __global void *uhmm_span(const struct uhmm_space *u, ulong addr,
				       ulong *len, uint write)
{
	ulong page = addr >> UHMM_PAGE_SHIFT, at = addr & UHMM_PAGE_MASK;
	uint first = uhmm_entry(u, page, write), entry = first;
	ulong run = (1ul << UHMM_PAGE_SHIFT) - at;

	if (!first) {
		uhmm_miss(u, page, 1, write);
		return 0;
	}
	uhmm_mark(u, first, write);
	while (run < *len) {
		uint next = uhmm_entry(u, ++page, write);

		if (!next ||
		    next >> UHMM_ENTRY_SHIFT != (entry >> UHMM_ENTRY_SHIFT) + 1)
			break;
		uhmm_mark(u, next, write);
		entry = next;
		run += 1ul << UHMM_PAGE_SHIFT;
	}
	if (run < *len)
		*len = run;
	return uhmm_page(u, first) + at;
}

/* Where @addr is, or 0 when it was missed.  Asks each time: for what is apart.
 */
static inline __global void *uhmm_at(const struct uhmm_space *u, ulong addr,
				     uint write)
{
	ulong page = addr >> UHMM_PAGE_SHIFT;
	uint entry = uhmm_entry(u, page, write);

	if (!entry) {
		uhmm_miss(u, page, 1, write);
		return 0;
	}
	uhmm_mark(u, entry, write);
	return uhmm_page(u, entry) + (addr & UHMM_PAGE_MASK);
}

/*
 * The last page that was asked for, so that the next access of it is cheap.
 * @write: asked for to be written to
 */
struct uhmm_iter {
	ulong page;
	__global uchar *at;
	uint write;
};

#define UHMM_ITER                  \
	{                          \
		(ulong)(-1L), 0, 0 \
	}

/* As uhmm_at(), for accesses that often stay in a page. */
static inline __global void *uhmm_next(const struct uhmm_space *u,
				       struct uhmm_iter *it, ulong addr,
				       uint write)
{
	if (addr >> UHMM_PAGE_SHIFT != it->page || (write && !it->write)) {
		__global uchar *at = (__global uchar *)uhmm_at(
			u, addr & ~UHMM_PAGE_MASK, write);

		if (!at)
			return 0;
		it->at = at;
		it->page = addr >> UHMM_PAGE_SHIFT;
		it->write = write;
	}
	return it->at + (addr & UHMM_PAGE_MASK);
}

#endif
