/* SPDX-License-Identifier: MIT */
/*
 * slots.c - addresses for frames: one reservation, handed out in order.
 *
 * A slot is registered for write-protection only, which UFFDIO_MOVE into it
 * requires and which leaves its holes to read as zeroes.  Where there is
 * UFFDIO_MOVE it is registered with @u: see "Order" in uffd.h.  A call that
 * would raise an event is made while the slot is not registered: the thread
 * that empties a frame may hold the lock that the reader of the event waits
 * for.
 *
 * The kernel is told not to use huge pages for what is written to a slot, but
 * where one is wanted; a huge page that is moved in stays one.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/uffd.h"

static int watch(const struct uffd *b, uintptr_t start, size_t len)
{
	return uffd_register(b->slot_fd, start, len, UFFDIO_REGISTER_MODE_WP);
}

/* No event comes of the range until it is watched again. */
static int unwatch(const struct uffd *b, uintptr_t start, size_t len)
{
	if (b->slot_fd != b->u || !uffd_unregister(b->u, start, len))
		return 0;
	return uffd_unregister(b->u, start, len); /* failed when told to */
}

/*
 * Empty a part of a slot, with the page table if it is the whole slot.  A part
 * that cannot be emptied without an event stays, and costs no more than frames
 * in use.
 */
void uffd_slot_zap(struct uffd *b, uintptr_t start, size_t len)
{
	if (unwatch(b, start, len))
		return;
	if (sys_madvise(start, len, MADV_DONTNEED))
		sys_madvise(start, len, MADV_DONTNEED);
	if (b->slot_fd == b->u && watch(b, start, len))
		watch(b, start, len);
}

/*
 * A mapping is about to arrive at this part of a slot.  The part is registered
 * with @s until it arrives: see keeper.c.
 */
int uffd_slot_expect(struct uffd *b, uintptr_t start, size_t len)
{
	int ret = unwatch(b, start, len);

	return ret ? ret :
		     uffd_register(b->s, start, len, UFFDIO_REGISTER_MODE_WP);
}

/* The expected mapping will not arrive: register the part as before. */
void uffd_slot_unexpect(struct uffd *b, uintptr_t start, size_t len)
{
	if (b->slot_fd == b->s)
		return;
	if (uffd_unregister(b->s, start, len))
		uffd_unregister(b->s, start, len);
	if (watch(b, start, len))
		watch(b, start, len);
}

/* Settings of every slot, once it is mapped. */
static int prepare_slots(struct uffd *b, uintptr_t start, size_t len)
{
	int ret = sys_madvise(start, len, MADV_DONTFORK);

	if (ret)
		return ret;
	/* A core dump would have all of it, mostly nothing. */
	sys_madvise(start, len, MADV_DONTDUMP);
	/* -EINVAL where there are no huge pages at all */
	sys_madvise(start, len, MADV_NOHUGEPAGE);
	ret = sys_own_bind(start, len);
	if (ret)
		return ret;
	return watch(b, start, len);
}

int uffd_slots_open(struct uffd *b, size_t nr)
{
	size_t len;
	int ret;

	b->slot_fd = b->has.move ? b->u : b->s;
	b->nr_slots = nr ? nr : 1;
	len = b->nr_slots * MM_BLOCK_SIZE;
	b->slot_flags = sys_alloc(b->nr_slots);
	if (!b->slot_flags)
		return -ENOMEM;
	b->slots = (uintptr_t)sys_reserve(len, MM_BLOCK_SIZE);
	if (!b->slots)
		return -ENOMEM;
	ret = sys_mprotect(b->slots, len, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = prepare_slots(b, b->slots, len);
	return ret;
}

void uffd_slots_close(struct uffd *b)
{
	if (b->slots)
		sys_free((void *)b->slots, b->nr_slots * MM_BLOCK_SIZE);
	b->slots = 0;
	sys_free((void *)b->slot_flags, b->nr_slots);
	b->slot_flags = NULL;
}

_Atomic uint8_t *uffd_slot_flags(const struct uffd *b, uintptr_t slot)
{
	return &b->slot_flags[(slot - b->slots) >> MM_BLOCK_SHIFT];
}

static int open_up(struct uffd *b, uintptr_t start, size_t len)
{
	int ret = sys_mprotect(start, len, PROT_READ | PROT_WRITE);

	return ret ? ret : prepare_slots(b, start, len);
}

/*
 * After the first mmap(2) the old mapping is gone, and the slot will be used,
 * so the other calls must succeed: they split no mapping, and need no memory
 * beyond that just given back.  A call that fails by fault injection is
 * repeated.
 */
int uffd_slot_renew(struct uffd *b, uintptr_t start, size_t len)
{
	uintptr_t addr;
	int ret;

	unwatch(b, start, len); /* unless nothing is mapped there */
	ret = sys_mmap(start, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		       &addr);
	if (ret)
		return ret;
	if (len == MM_BLOCK_SIZE)
		atomic_store(uffd_slot_flags(b, start), 0);
	sys_munlock(start, len);
	ret = open_up(b, start, len);
	return ret ? open_up(b, start, len) : 0;
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

/*
 * A page table left over from smaller pages is in the way: discarding what is
 * not there frees it.  The advice is taken back at once, for a mapping with
 * another does not merge with its neighbours.
 */
bool uffd_enlarge(struct mm *mm, uintptr_t slot)
{
	struct uffd *b = to_uffd(mm);
	struct mm_set there, huge;
	bool is_huge;

	set_clear(&there);
	set_clear(&huge);
	if (!b->has.scan)
		return false;
	uffd_slot_zap(b, slot, MM_BLOCK_SIZE);
	if (sys_madvise(slot, MM_BLOCK_SIZE, MADV_HUGEPAGE))
		return false;
	sys_madvise(slot, MM_PAGE_SIZE, MADV_POPULATE_WRITE);
	sys_madvise(slot, MM_BLOCK_SIZE, MADV_NOHUGEPAGE);
	is_huge = !uffd_scan(b, slot, 0, MM_BLOCK_PAGES, &there, &huge) &&
		  set_full(&huge);
	if (!is_huge)
		uffd_slot_zap(b, slot, MM_BLOCK_SIZE);
	return is_huge;
}

void uffd_drop(struct mm *mm, uintptr_t frame, size_t npages)
{
	struct uffd *b = to_uffd(mm);

	/* A mapping that came from elsewhere does not merge with the others. */
	if (npages == MM_BLOCK_PAGES && in_slots(b, frame) &&
	    atomic_load(uffd_slot_flags(b, frame)) &&
	    !uffd_slot_renew(b, frame, MM_BLOCK_SIZE))
		return;
	uffd_slot_zap(b, frame, npages * MM_PAGE_SIZE);
}
