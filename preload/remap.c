// SPDX-License-Identifier: MIT
/*
 * mremap(2) of a mapping that is managed in part, or in several parts.
 *
 * For the program it is one mapping, for the kernel several.  The kernel need
 * not merge them when the rest is registered: pages that were first touched in
 * different mappings keep those apart.  The kernel refuses to move several
 * mappings at once (EFAULT), and since Linux 6.17 it may have moved some of
 * them by then.
 *
 * So the mappings are moved here one by one, the last first.  Only the last one
 * grows, and any step that can fail fails before a mapping has moved.
 */
#include <string.h>

#include "preload.h"

#define MAX_PIECES 256

/*
 * @old, @old_len, @len, @flags, @target: of mremap(2), lengths rounded to pages
 * @piece: the kernel's mappings, in order
 * @next: the address after the last piece
 * @is_one: the pieces so far look like one mapping of the program
 */
struct remap {
	uintptr_t old;
	size_t old_len, len;
	int flags;
	uintptr_t target;
	struct range piece[MAX_PIECES];
	size_t nr;
	uintptr_t next;
	int prot;
	bool is_one;
};

/* ---- Which mappings ------------------------------------------------------ */

static void note_vma(const struct vma *vma, void *arg)
{
	struct remap *r = arg;
	uintptr_t end = r->old + r->old_len;
	uintptr_t start = vma->start > r->old ? vma->start : r->old;

	if (start >= end || vma->end <= r->old)
		return;
	if (!r->nr)
		r->prot = vma->prot;
	r->is_one &= vma->anon && vma->prot == r->prot && start == r->next &&
		     r->nr < MAX_PIECES;
	if (!r->is_one)
		return;
	r->next = vma->end < end ? vma->end : end;
	r->piece[r->nr++] = (struct range){ start, r->next };
}

/* Does the range consist of several mappings that look like one? */
static bool find_pieces(struct remap *r)
{
	r->nr = 0;
	r->next = r->old;
	r->is_one = true;
	return !maps_walk(note_vma, r) && r->is_one && r->nr > 1 &&
	       r->next == r->old + r->old_len;
}

/* ---- Moving them --------------------------------------------------------- */

static size_t size_of_range(struct range p)
{
	return p.end - p.start;
}

static bool move_piece(struct range p, size_t len, int flags, uintptr_t to)
{
	return nofork_remap((void *)p.start, size_of_range(p), len,
			    flags | MREMAP_MAYMOVE | MREMAP_FIXED,
			    (void *)to) != MAP_FAILED;
}

/* Move the pieces from index @first on back to their old addresses. */
static void move_back(const struct remap *r, size_t first, uintptr_t to)
{
	int err = errno;

	for (size_t i = first; i < r->nr; i++) {
		struct range p = r->piece[i];
		uintptr_t from = to + (p.start - r->old);

		nofork_remap((void *)from, size_of_range(p), size_of_range(p),
			     MREMAP_MAYMOVE | MREMAP_FIXED, (void *)p.start);
	}
	if (r->len > r->old_len)
		sys_munmap((void *)(to + r->old_len), r->len - r->old_len);
	errno = err;
}

static void *move_to(const struct remap *r, uintptr_t to)
{
	size_t more = r->len - r->old_len;

	for (size_t i = r->nr; i-- > 0; more = 0) {
		struct range p = r->piece[i];

		if (move_piece(p, size_of_range(p) + more, r->flags,
			       to + (p.start - r->old)))
			continue;
		if (i + 1 < r->nr)
			move_back(r, i + 1, to);
		return MAP_FAILED;
	}
	return (void *)to;
}

/* Move to a free range.  If that fails the range is unmapped again. */
static void *move_away(const struct remap *r)
{
	void *ret, *to = sys_mmap(NULL, r->len, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				  -1, 0);
	int err;

	if (to == MAP_FAILED)
		return to;
	ret = move_to(r, (uintptr_t)to);
	err = errno;
	if (ret == MAP_FAILED)
		sys_munmap(to, r->len);
	errno = err;
	return ret;
}

static void *grow_here(const struct remap *r)
{
	struct range last = r->piece[r->nr - 1];
	size_t len = size_of_range(last) + r->len - r->old_len;
	void *p = nofork_remap((void *)last.start, size_of_range(last), len, 0,
			       NULL);

	return p == MAP_FAILED ? p : (void *)r->old;
}

static void *move_pieces(const struct remap *r)
{
	void *p = MAP_FAILED;

	if (r->flags & MREMAP_FIXED)
		return move_to(r, r->target);
	if (!(r->flags & MREMAP_DONTUNMAP))
		p = grow_here(r);
	if (p == MAP_FAILED && r->flags & MREMAP_MAYMOVE)
		p = move_away(r);
	return p;
}

/* ---- mremap -------------------------------------------------------------- */

/* If not, the kernel refuses the call for a reason of its own. */
static bool is_sound(const struct remap *r)
{
	const int known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	if (r->flags & ~known || r->old % PAGE || r->target % PAGE ||
	    !r->old_len || r->len < r->old_len ||
	    r->old_len > UINTPTR_MAX - r->old)
		return false;
	if (!(r->flags & MREMAP_FIXED))
		return true;
	return r->flags & MREMAP_MAYMOVE && r->len <= UINTPTR_MAX - r->target &&
	       (r->target + r->len <= r->old ||
		r->target >= r->old + r->old_len);
}

void *remap(void *old, size_t old_len, size_t len, int flags, void *target)
{
	struct remap r = {
		.old = (uintptr_t)old,
		.old_len = page_up(old_len),
		.len = page_up(len),
		.flags = flags,
		.target = flags & MREMAP_FIXED ? (uintptr_t)target : 0,
	};
	bool moves = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	void *p;

	/* The kernel begins to move such ranges and may stop halfway. */
	if (is_sound(&r) && r.len == r.old_len && moves && find_pieces(&r))
		return move_pieces(&r);
	p = nofork_remap(old, old_len, len, flags, target);
	if (p != MAP_FAILED || errno != EFAULT)
		return p;
	if (is_sound(&r) && find_pieces(&r))
		return move_pieces(&r);
	errno = EFAULT;
	return p;
}
