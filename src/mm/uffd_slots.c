/* SPDX-License-Identifier: MIT */
/*
 * uffd_slots.c - addresses for frames: one reservation, handed out in order.
 *
 * A slot is registered for write-protection only, which UFFDIO_MOVE into it
 * requires and which leaves its holes to read as zeroes.  The kernel is told
 * not to use huge pages for what is written there; a huge page that is moved
 * in stays one.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd.h"

int uffd_slots_open(struct uffd *b, size_t nr)
{
	size_t len = nr * MM_BLOCK_SIZE;
	int ret;

	if (nr == 0)
		nr = 1, len = MM_BLOCK_SIZE;
	b->slots = (uintptr_t)sys_reserve(len, MM_BLOCK_SIZE);
	if (!b->slots)
		return -ENOMEM;
	b->nr_slots = nr;
	/* Under mlockall(MCL_FUTURE) it would all be filled in. */
	ret = sys_munlock(b->slots, len);
	if (!ret)
		ret = sys_mprotect(b->slots, len, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = sys_madvise(b->slots, len, MADV_DONTFORK);
	if (!ret)
		/* -EINVAL where there are no huge pages at all */
		sys_madvise(b->slots, len, MADV_NOHUGEPAGE);
	if (!ret)
		ret = uffd_register(b->s, b->slots, len,
				    UFFDIO_REGISTER_MODE_WP);
	if (ret)
		uffd_slots_close(b);
	return ret;
}

void uffd_slots_close(struct uffd *b)
{
	if (b->slots)
		sys_free((void *)b->slots, b->nr_slots * MM_BLOCK_SIZE);
	b->slots = 0;
}

uintptr_t uffd_slots(struct mm *mm, size_t nr)
{
	struct uffd *b = to_uffd(mm);
	size_t next = atomic_load(&b->next_slot);

	do {
		if (nr > b->nr_slots - next)
			return 0;
	} while (
		!atomic_compare_exchange_weak(&b->next_slot, &next, next + nr));
	return b->slots + next * MM_BLOCK_SIZE;
}

void uffd_drop(struct mm *mm, uintptr_t frame, size_t npages)
{
	/* Fails only when told to. */
	for (int i = 0; i < 2; i++)
		if (!sys_madvise(frame, npages * MM_PAGE_SIZE, MADV_DONTNEED))
			break;
}
