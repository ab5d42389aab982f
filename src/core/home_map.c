/* SPDX-License-Identifier: MIT */
/*
 * home_map.c - pages appear at their addresses: from frames, from a bounce
 * page, or straight from a device whose memory the CPU can read.  One block,
 * locked.
 */
#include <errno.h>

#include "core/core.h"

/* ---- Mapping ---------------------------------------------------------- */

/*
 * Map pages [i, last) from @ram; @frames: they lie in a slot and may be moved;
 * @share: write-protected.
 * Return: pages mapped, or -errno for the first.
 */
ssize_t home_map(struct uhmm *u, struct block *b, unsigned i, unsigned last,
		 const char *ram, struct slot *frames, bool share)
{
	const struct mm_ops *ops = u->mm->ops;
	uintptr_t va = b->va + i * MM_PAGE_SIZE;
	bool moved = false;
	ssize_t n;

	if (share)
		return ops->fill_shared(u->mm, va, ram, last - i);
	if (!frames || last - i < HOME_GIVE_PAGES || !u->mm->can_move)
		return ops->fill(u->mm, va, ram, last - i);
	n = ops->give(u->mm, va, (uintptr_t)ram, last - i, &moved);
	if (n > 0 && moved) {
		set_del_run(&frames->stock, i, i + (unsigned)n);
		frames->huge = false;
	}
	return n;
}

int home_thaw(struct uhmm *u, struct block *b, unsigned i, unsigned last)
{
	const char *ram = (char *)block_slot_va(u, b) + i * MM_PAGE_SIZE;
	bool is_read = page_state(block_word(b, i)) == P_LEAVING;
	ssize_t n;

	/*
	 * A frame that the provider is reading stays where it is: a read of
	 * one that is gone would leave a page of zeroes in its place.
	 */
	n = home_map(u, b, i, last, ram, is_read ? NULL : slot_of(u, b->slot),
		     false);
	if (n == -EEXIST) /* it is there after all: that one counts */
		n = 1;
	for (ssize_t k = 0; k < n; k++)
		block_home(u, b, i + (unsigned)k, E_HOME);
	return (int)n;
}

/* ---- Without a copy of ours: the CPU can read the device's memory ------- */

/* The run of device pages from @i that are consecutive on the device too. */
static unsigned direct_run(const struct block *b, unsigned i, unsigned n)
{
	uint64_t w = block_word(b, i);
	unsigned k = 1;

	while (k < n &&
	       block_word(b, i + k) == w + ((uint64_t)k << PAGE_DPFN_SHIFT))
		k++;
	return k;
}

static ssize_t fill(struct uhmm *u, uintptr_t va, const void *p, unsigned n,
		    bool share)
{
	return share ? u->mm->ops->fill_shared(u->mm, va, p, n) :
		       u->mm->ops->fill(u->mm, va, p, n);
}

/* The page is mapped; @share: write-protected, and it keeps its device page. */
void home_mapped(struct uhmm *u, struct block *b, unsigned i, bool share)
{
	uint64_t w = block_word(b, i);

	if (share)
		block_arrive(u, b, i, page_dev(w), page_dpfn(w), E_SHARE);
	else
		block_home(u, b, i, E_HOME);
}

/*
 * Map up to @n pages from @i.  Locked.  Return: pages mapped, whose device
 * pages follow each other and, unless shared, are to be freed; 0: not
 * possible; -errno.
 */
ssize_t home_map_direct(struct uhmm *u, struct block *b, unsigned i, unsigned n,
			bool share)
{
	uint64_t w = block_word(b, i);
	struct uhmm_device *dev = device_get(u, page_dev(w));
	struct call *call;
	const void *p;
	ssize_t got;

	/* A mirror would have to be told first, without the lock. */
	if (!(dev->desc.flags & UHMM_DEVICE_CONCURRENT) ||
	    mirror_covers(u, b->va + i * MM_PAGE_SIZE))
		return 0;
	n = direct_run(b, i, n);
	p = device_direct(dev, page_dpfn(w), n, &call);
	if (!p)
		return 0;
	got = fill(u, b->va + i * MM_PAGE_SIZE, p, n, share);
	device_direct_end(dev, call);
	for (ssize_t k = 0; k < got; k++)
		home_mapped(u, b, i + (unsigned)k, share);
	if (got > 0)
		count_add(&u->count.to_ram, (uint64_t)got);
	return got;
}
