/* SPDX-License-Identifier: MIT */
/*
 * uffd_stash.c - take a whole block by moving its mapping.
 *
 * For kernels without UFFDIO_MOVE (before 6.8): mremap(MREMAP_DONTUNMAP) of an
 * aligned block moves its page table in one step, whatever is in it.  The
 * mapping that arrives in the slot is the application's, with its protection
 * and its registration, and has to be made one of ours.
 *
 * The event of the move goes to a handler thread like any other, which knows
 * it by its target.  If there was none, the mapping was not a tracked one: it
 * is somebody else's, mapped there a moment ago, and goes back.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum {
	HOW = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP
};

bool uffd_try_stash(struct uffd *b)
{
	uintptr_t page = b->scratch + 2 * MM_PAGE_SIZE;

	return b->has.stash && !b->has.move &&
	       !sys_mremap(page, page + MM_PAGE_SIZE, MM_PAGE_SIZE, HOW);
}

/*
 * Ours from now on: no faults, no events, writable.  It is a mapping of its
 * own, so that nothing here can want for memory; what fails because it was
 * told to is done again, for there is no way back from here.
 */
static void adopt(struct uffd *b, uintptr_t slot)
{
	const int rw = PROT_READ | PROT_WRITE;

	if (uffd_unregister(b->u, slot, MM_BLOCK_SIZE))
		uffd_unregister(b->u, slot, MM_BLOCK_SIZE);
	if (sys_mprotect(slot, MM_BLOCK_SIZE, rw))
		sys_mprotect(slot, MM_BLOCK_SIZE, rw);
	if (sys_madvise(slot, MM_BLOCK_SIZE, MADV_DONTFORK))
		sys_madvise(slot, MM_BLOCK_SIZE, MADV_DONTFORK);
	sys_madvise(slot, MM_BLOCK_SIZE, MADV_NOHUGEPAGE);
}

/* Put the mapping back over what it left behind. */
static void undo(struct uffd *b, uintptr_t va, uintptr_t slot)
{
	for (int i = 0; i < 2; i++)
		if (!sys_mremap(slot, va, MM_BLOCK_SIZE,
				MREMAP_MAYMOVE | MREMAP_FIXED))
			break;
	uffd_slot_renew(b, slot);
}

int uffd_stash(struct mm *mm, uintptr_t va, uintptr_t slot)
{
	struct uffd *b = to_uffd(mm);
	_Atomic uint8_t *flags = uffd_slot_flags(b, slot);
	struct uffd_vma vma;
	int ret;

	if (!b->has.stash)
		return -EOPNOTSUPP;
	/* A failure below would leave the slot unmapped. */
	if (uffd_find_vma(b, va, &vma) || vma.start > va ||
	    vma.end < va + MM_BLOCK_SIZE || !vma.anon)
		return -EINVAL;
	atomic_store(flags, UFFD_STASHED);
	ret = sys_mremap(va, slot, MM_BLOCK_SIZE, HOW);
	if (ret) {
		uffd_slot_renew(b, slot);
		return ret;
	}
	/* The event has been read; now it has been applied. */
	sys_mutex_lock(&b->event_lock);
	sys_mutex_unlock(&b->event_lock);
	if (!(atomic_load(flags) & UFFD_ARRIVED)) {
		undo(b, va, slot);
		return -EAGAIN;
	}
	adopt(b, slot);
	return 0;
}
