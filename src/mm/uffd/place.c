/* SPDX-License-Identifier: MIT */
/*
 * place.c - device memory takes the place of anonymous memory, and back.
 *
 * The new mapping is prepared elsewhere and moved over the old one by
 * mremap(2): a touch finds the one or the other, never nothing.  Nothing is in
 * the anonymous mapping at that time (its pages are frozen, or come later), so
 * a touch of it waits.
 *
 * The move raises events of our own; @swap says which.  It is made in the gate,
 * as in stash.c, so the mapping that is replaced is the one that was looked at.
 * If no UNMAP event comes, the program had unmapped the range before: then what
 * was placed is unmapped.  An UNMAP event of exactly that range cannot be told
 * from that of the move: the program has to announce such a change, see LIMITS
 * in uhmm(7).
 *
 * Device memory is tracked where the kernel allows it (memfd_create(2), not
 * devdax): discarding it leaves the page to be mapped again by resume(), after
 * the client has cleared it.
 */
#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum {
	TRACK_ANON = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	TRACK_FILE = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
};

static int prot_of(const struct uffd_vma *vma)
{
	return (vma->read ? PROT_READ : 0) | (vma->write ? PROT_WRITE : 0) |
	       (vma->exec ? PROT_EXEC : 0);
}

static bool is_mapped_here(const struct uffd_vma *vma, uintptr_t va,
			   const struct mm_place *p, uint64_t inode)
{
	return !vma->anon && vma->inode == inode &&
	       vma->offset + (va - vma->start) == p->offset + (va - p->va);
}

/* ---- The swap ---- */

static void discard_stage(struct uffd *b, uintptr_t from, size_t len)
{
	uffd_unregister(b->u, from, len);
	sys_munmap(from, len);
}

/* Move what is at @from over what is at @to. */
static int swap(struct uffd *b, uintptr_t to, uintptr_t from, size_t len,
		bool to_anon, uint32_t stamp)
{
	int ret;

	if (!uffd_gate_enter_as_it_was(b, to, stamp))
		return -EAGAIN;
	b->swap = (struct uffd_swap){
		.from = from, .to = to, .len = len, .to_anon = to_anon
	};
	atomic_store(&b->swap.active, true);
	uffd_keeper_arm(b, NULL, 0, len);
	ret = sys_mremap(from, to, len, MREMAP_MAYMOVE | MREMAP_FIXED);
	if (uffd_keeper_done(b))
		uffd_gate_passed(b);
	uffd_sync(&b->mm);
	atomic_store(&b->swap.active, false);
	return ret;
}

bool uffd_swap_unmap(struct uffd *b, uintptr_t start, uintptr_t end)
{
	struct uffd_swap *s = &b->swap;

	if (!atomic_load(&s->active) || s->unmapped || start != s->to ||
	    end != s->to + s->len)
		return false;
	s->unmapped = true;
	return true;
}

bool uffd_swap_remap(struct uffd *b, uintptr_t from)
{
	return atomic_load(&b->swap.active) && from == b->swap.from;
}

/* ---- Device memory comes ---- */

/*
 * With its pages already entered, and tracked from the start: what is discarded
 * there must not go unseen for a moment.  devdax cannot be tracked.
 */
static int stage_file(struct uffd *b, struct mm_place *p, uintptr_t va,
		      size_t len, int prot, uintptr_t *ret)
{
	int err = sys_map_file(0, len, prot, MAP_SHARED | MAP_POPULATE, p->fd,
			       p->offset + (va - p->va), ret);

	if (err)
		return err;
	/* A child must not share what its parent writes. */
	err = sys_madvise(*ret, len, MADV_DONTFORK);
	if (err)
		sys_munmap(*ret, len);
	p->watched = !err && b->has.minor &&
		     !uffd_register(b->u, *ret, len, TRACK_FILE);
	return err;
}

/* In want of memory the kernel can fail when the old mapping is gone. */
static int mend_file(struct uffd *b, const struct mm_place *p, uintptr_t va,
		     size_t len, int prot)
{
	struct uffd_vma vma;
	uintptr_t at = va;
	int err = uffd_find_vma(b, va, &vma);

	if ((err && err != -ENOENT) || (!err && vma.start < va + len))
		return -ENOMEM;
	err = sys_map_file(va, len, prot, MAP_SHARED | MAP_FIXED_NOREPLACE,
			   p->fd, p->offset + (va - p->va), &at);
	if (!err && p->watched)
		uffd_register(b->u, va, len, TRACK_FILE);
	return err;
}

static int place_part(struct uffd *b, struct mm_place *p, uintptr_t va,
		      size_t len, const struct uffd_vma *vma)
{
	int prot = prot_of(vma), err;
	uintptr_t from;

	err = stage_file(b, p, va, len, prot, &from);
	if (err)
		return err;
	err = swap(b, va, from, len, false, p->stamp);
	if (err) {
		discard_stage(b, from, len);
		if (err != -EAGAIN && !mend_file(b, p, va, len, prot))
			err = 0;
	} else if (!b->swap.unmapped) {
		discard_stage(b, va, len);
		err = -ENOENT;
	} else if (atomic_load(&b->hid_early)) {
		/* uffd_show_replaced() has shown what was there before */
		sys_madvise(va, len, MADV_DONTFORK);
	}
	return err;
}

/*
 * Let the program change the mappings first, if it is about to: to cut one in
 * two while a part of it is being discarded keeps the rest from being discarded
 * before Linux 6.18.  Caller holds keeper.lock.
 */
static int ask_client(const struct uffd *b, const struct mm_place *p)
{
	const struct mm_client *c = b->mm.client;
	uintptr_t end = p->va + p->npages * MM_PAGE_SIZE;

	if (p->announced_too || !c->is_announced)
		return 0;
	return c->is_announced(c->priv, p->va, end) ? -EBUSY : 0;
}

void uffd_place_sync(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);

	/* Pairs with uffd_place(), which asks the client after that. */
	if (!atomic_load(&b->has_placed))
		return;
	sys_wait_lock(b->mm.client->waits, &b->keeper.lock,
		      "mappings that change to have changed", 0);
	sys_mutex_unlock(&b->keeper.lock);
}

ssize_t uffd_place(struct mm *mm, struct mm_place *p)
{
	uintptr_t va = p->va, end = p->va + p->npages * MM_PAGE_SIZE;
	struct uffd *b = to_uffd(mm);
	int err;

	atomic_store(&b->has_placed, true);
	sys_mutex_lock(&b->keeper.lock);
	err = ask_client(b, p);
	while (va < end && !err) {
		struct uffd_vma vma;
		uintptr_t to;

		err = uffd_find_vma(b, va, &vma);
		if (!err && (vma.start > va || !vma.anon))
			err = -ENOENT;
		if (err)
			break;
		to = vma.end < end ? vma.end : end;
		err = place_part(b, p, va, to - va, &vma);
		if (!err)
			va = to;
	}
	sys_mutex_unlock(&b->keeper.lock);
	return va > p->va ? (ssize_t)((va - p->va) >> MM_PAGE_SHIFT) : err;
}

/* ---- Anonymous memory comes back ---- */

static bool stands_alone(const struct uffd *b, uintptr_t at, size_t len)
{
	struct uffd_vma vma;

	return !uffd_find_vma(b, at, &vma) && vma.start == at &&
	       vma.end == at + len;
}

static int add_fence(struct uffd *b)
{
	int err;

	if (b->nr_fences == UFFD_FENCES)
		return -ENOSPC;
	err = sys_mmap(0, MM_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       &b->fences[b->nr_fences]);
	b->nr_fences += !err;
	return err;
}

/*
 * A mapping that has become one with its neighbour has that one's history, and
 * cannot become one with those where it goes: each page would be a mapping for
 * ever.  A fence in its place sends the next one elsewhere.
 */
static int map_alone(struct uffd *b, size_t len, int prot, uintptr_t *ret)
{
	int err;

	do {
		err = sys_mmap(0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, ret);
		if (err || stands_alone(b, *ret, len))
			return err;
		sys_munmap(*ret, len);
	} while (!add_fence(b));
	return sys_mmap(0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, ret);
}

/* Registered, it could become one with what is. */
static int stage_anon(struct uffd *b, size_t len, int prot, uintptr_t *ret)
{
	int err;

	for (;;) {
		err = map_alone(b, len, prot, ret);
		if (err)
			return err;
		err = uffd_bind_new(b, *ret, len);
		if (!err)
			err = uffd_register(b->u, *ret, len, TRACK_ANON);
		if (!err)
			uffd_hide_new(b, *ret, *ret + len);
		if (!err && stands_alone(b, *ret, len))
			return 0;
		if (!err && b->nr_fences == UFFD_FENCES)
			return 0;
		discard_stage(b, *ret, len);
		if (!err)
			err = add_fence(b);
		if (err)
			return err;
	}
}

void uffd_fences_close(struct uffd *b)
{
	while (b->nr_fences)
		sys_munmap(b->fences[--b->nr_fences], MM_PAGE_SIZE);
}

static int unplace_part(struct uffd *b, uintptr_t va, size_t len, int prot,
			const struct mm_place *p)
{
	uintptr_t from;
	int err = stage_anon(b, len, prot, &from);

	if (err)
		return err;
	err = swap(b, va, from, len, true, p->stamp);
	if (err) {
		discard_stage(b, from, len);
	} else if (p->watched && !b->swap.unmapped) {
		discard_stage(b, va, len);
		err = -ENOENT;
	} else if (atomic_load(&b->nodes.nr_avoided)) {
		uffd_isolate(&b->mm, va, va + len); /* since a moment ago? */
	}
	return err;
}

ssize_t uffd_unplace(struct mm *mm, struct mm_place *p)
{
	uintptr_t va = p->va, end = p->va + p->npages * MM_PAGE_SIZE;
	struct uffd *b = to_uffd(mm);
	uint64_t inode = 0;
	int err;

	sys_mutex_lock(&b->keeper.lock);
	err = ask_client(b, p);
	if (!err)
		err = sys_inode(p->fd, &inode);
	while (va < end && !err) {
		struct uffd_vma vma;
		uintptr_t to;

		err = uffd_find_vma(b, va, &vma);
		if (!err && vma.start > va)
			err = -ENOENT;
		if (err)
			break;
		to = vma.end < end ? vma.end : end;
		if (is_mapped_here(&vma, va, p, inode))
			err = unplace_part(b, va, to - va, prot_of(&vma), p);
		else if (!vma.anon)
			err = -ENOENT;
		if (!err)
			va = to;
	}
	sys_mutex_unlock(&b->keeper.lock);
	return va > p->va ? (ssize_t)((va - p->va) >> MM_PAGE_SHIFT) : err;
}

int uffd_can_place(struct mm *mm, int fd, uint64_t offset, uint64_t npages)
{
	uint64_t have, end;
	int err = sys_file_size(fd, &have);

	(void)mm;
	if (err)
		return err;
	if (npages > UINT64_MAX >> MM_PAGE_SHIFT ||
	    __builtin_add_overflow(offset, npages << MM_PAGE_SHIFT, &end) ||
	    end > INT64_MAX || end > have)
		return -EINVAL;
	return 0;
}

bool uffd_is_placed(struct mm *mm, uintptr_t va, int fd, uint64_t offset)
{
	struct mm_place p = { .va = va, .fd = fd, .offset = offset };
	struct uffd *b = to_uffd(mm);
	struct uffd_vma vma;
	uint64_t inode;

	return !sys_inode(fd, &inode) && !uffd_find_vma(b, va, &vma) &&
	       vma.start <= va && is_mapped_here(&vma, va, &p, inode);
}

int uffd_resume(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd *b = to_uffd(mm);
	struct uffdio_continue arg = {
		.range = { va, npages * MM_PAGE_SIZE },
	};
	int ret = sys_ioctl("UFFDIO_CONTINUE", b->u, UFFDIO_CONTINUE, &arg);

	if (ret == -EAGAIN)
		uffd_saw_again = true;
	if (ret != -EEXIST)
		return ret;
	/* The page was present, so the ioctl woke no thread. */
	uffd_wake_range(b, va, arg.range.len);
	return 0;
}
