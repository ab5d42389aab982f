/* SPDX-License-Identifier: MIT */
/*
 * coherent.c - device memory that the CPU maps by a file.
 *
 * A page comes to such a device as to any other; when its data are there, the
 * device's memory is mapped at its address, and it is P_COHERENT: the CPU uses
 * it without a fault.  On the way home anonymous memory is mapped there first,
 * from then on the page is like one on a private device.
 *
 * While mappings are replaced, pages are P_COMING with PAGE_SWAPPING: faults
 * wait, and the device's copy is the truth.  An event must not wait for them,
 * for the replacement waits for events:
 *
 *	discard	the device page is cleared where it is, and stays
 *	unmap	the word goes, the mover frees the device page
 *	remap	the page goes along with what is mapped there by now, and the
 *		mover learns that it is not his any more (carried_take())
 */
#include <errno.h>

#include "core/coherent.h"

/* The process needs mappings for other things, too. */
#define SHARE_OF_MAPPINGS 2

bool device_is_mapped(const struct uhmm_device *dev)
{
	return dev->desc.type == UHMM_MEMORY_DEVICE_COHERENT &&
	       !(dev->desc.flags & UHMM_DEVICE_NODE);
}

bool coherent_is_mapped(struct uhmm *u, uint64_t w)
{
	struct uhmm_device *dev;

	if (page_state(w) != P_COHERENT && !(w & PAGE_SWAPPING))
		return false;
	dev = device_get(u, page_dev(w));
	return dev && device_is_mapped(dev);
}

/* ---- Pages that were moved away from under a mover --------------------- */

static void carried_add(struct uhmm *u, unsigned dev, uint64_t dpfn)
{
	struct carried *c = &u->carried;

	sys_mutex_lock(&c->lock);
	if (c->nr < MAX_CARRIED)
		c->page[c->nr++] = page_on_device(P_DEVICE, dev, dpfn);
	sys_mutex_unlock(&c->lock);
}

bool carried_take(struct uhmm *u, unsigned dev, uint64_t dpfn)
{
	uint64_t w = page_on_device(P_DEVICE, dev, dpfn);
	struct carried *c = &u->carried;
	bool found = false;

	sys_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->nr && !found; i++) {
		found = c->page[i] == w;
		if (found)
			c->page[i] = c->page[--c->nr];
	}
	sys_mutex_unlock(&c->lock);
	return found;
}

bool coherent_may_carry(struct uhmm *u)
{
	bool may;

	sys_mutex_lock(&u->carried.lock);
	may = u->carried.nr < MAX_CARRIED;
	sys_mutex_unlock(&u->carried.lock);
	return may;
}

uint64_t coherent_carry(struct uhmm *u, uint64_t w, uintptr_t to)
{
	struct uhmm_device *dev = device_get(u, page_dev(w));
	uint64_t offset = dev->desc.offset + page_dpfn(w) * MM_PAGE_SIZE;
	bool placed = u->mm->ops->is_placed(u->mm, to, dev->desc.fd, offset);

	carried_add(u, dev->id, page_dpfn(w));
	return page_on_device(placed ? P_COHERENT : P_DEVICE, dev->id,
			      page_dpfn(w));
}

/* ---- How many mappings ------------------------------------------------- */

static bool follows(uint64_t w, uint64_t next)
{
	return next == w + (UINT64_C(1) << PAGE_DPFN_SHIFT);
}

/* Each run is a mapping of its own, and cuts another in two.  Locked. */
void coherent_count(struct uhmm *u, struct block *b)
{
	unsigned n = 0;

	for (unsigned i = 0; b->nr[P_COHERENT] && i < MM_BLOCK_PAGES; i++) {
		uint64_t w = block_word(b, i);

		n += coherent_is_mapped(u, w) &&
		     !(i && follows(block_word(b, i - 1), w));
	}
	atomic_fetch_add(&u->coherent_runs, (int64_t)n - b->coherent_runs);
	b->coherent_runs = (uint16_t)n;
}

void coherent_fit(struct uhmm *u, struct block *b, struct mm_set *want,
		  const struct uhmm_device *dev, uint8_t *why)
{
	int64_t max = (int64_t)(u->mm->max_mappings / SHARE_OF_MAPPINGS / 2);
	int64_t room = max - atomic_load(&u->coherent_runs);
	struct mm_set missing = *want;

	if (!max || !device_is_mapped(dev))
		return;
	block_lock(b);
	set_for_each(want, i)
		if (page_state(block_word(b, i)) == P_COHERENT &&
		    page_dev(block_word(b, i)) == dev->id)
			set_del(&missing, i);
	block_unlock(u, b);
	set_for_each_run(&missing, first, last) {
		if (room-- > 0)
			continue;
		set_del_run(want, first, last);
		memset(why + first, UHMM_WHY_MAPPINGS, last - first);
	}
}

/* ---- Swapping ---------------------------------------------------------- */

void coherent_mark(struct uhmm *u, struct block *b, unsigned i, unsigned dev,
		   uint64_t dpfn)
{
	block_set(u, b, i, page_on_device(P_COMING, dev, dpfn) | PAGE_SWAPPING);
}

static bool is_marked(const struct swap *s, unsigned i)
{
	return block_word(s->b, i) ==
	       (page_on_device(P_COMING, s->dev->id, s->dpfn[i]) |
		PAGE_SWAPPING);
}

/* The end of the run at @i that is one on the device, too. */
static unsigned run_end(const struct swap *s, unsigned i)
{
	do
		i++;
	while (i < MM_BLOCK_PAGES && set_has(&s->set, i) &&
	       s->dpfn[i] == s->dpfn[i - 1] + 1);
	return i;
}

typedef ssize_t swap_fn(struct uhmm *u, struct mm_place *p);

static ssize_t place(struct uhmm *u, struct mm_place *p)
{
	return u->mm->ops->place(u->mm, p);
}

static ssize_t unplace(struct uhmm *u, struct mm_place *p)
{
	return u->mm->ops->unplace(u->mm, p);
}

/* Without locks.  @s->done: pages that were; @s->err: why others were not. */
static void swap_all(struct swap *s, swap_fn *fn)
{
	struct uhmm_device *dev = s->dev;

	set_clear(&s->done);
	for (unsigned i = set_find(&s->set, 0, true); i < MM_BLOCK_PAGES;) {
		unsigned end = run_end(s, i);
		struct mm_place p = {
			.va = s->b->va + i * MM_PAGE_SIZE,
			.npages = end - i,
			.fd = dev->desc.fd,
			.stamp = s->stamp,
			.offset = dev->desc.offset + s->dpfn[i] * MM_PAGE_SIZE,
			.watched = atomic_load(&dev->watched),
		};
		ssize_t n = fn(s->u, &p);

		atomic_store(&dev->watched, p.watched);
		if (n > 0)
			set_add_run(&s->done, i, i + (unsigned)n);
		if (n < (ssize_t)(end - i))
			s->err = n < 0 ? (int)n : -EAGAIN;
		i = set_find(&s->set, end, true);
	}
}

void coherent_place(struct swap *s)
{
	unsigned n = 0;

	swap_all(s, place);
	block_lock(s->b);
	set_for_each(&s->set, i) {
		if (is_marked(s, i))
			block_arrive(s->u, s->b, i, s->dev->id, s->dpfn[i],
				     set_has(&s->done, i) ? E_PLACE : E_STAY);
		else if (!carried_take(s->u, s->dev->id, s->dpfn[i]))
			s->free[n++] = s->dpfn[i];
	}
	coherent_count(s->u, s->b);
	block_unlock(s->u, s->b);
	block_settle(s->u, s->b, false);
	device_free(s->dev, s->free, n);
}

/* What is left of @s->set is anonymous memory, and P_COMING as usual. */
void coherent_unplace(struct swap *s, const struct mm_set *placed)
{
	swap_all(s, unplace);
	block_lock(s->b);
	set_for_each(&s->set, i) {
		if (!is_marked(s, i))
			continue;
		if (set_has(&s->done, i))
			block_set(s->u, s->b, i,
				  page_on_device(P_COMING, s->dev->id,
						 s->dpfn[i]));
		else
			block_arrive(s->u, s->b, i, s->dev->id, s->dpfn[i],
				     set_has(placed, i) ? E_PLACE : E_STAY);
	}
	block_unlock(s->u, s->b);
}

/* ---- Faults ------------------------------------------------------------ */

/*
 * It was discarded, or the kernel took the mapping away for a while.  Its page
 * of the file may be gone, too: then it is zeroes.
 */
enum mm_outcome coherent_fault(struct uhmm *u, struct block *b, unsigned i)
{
	uint64_t w = block_word(b, i), dpfn = page_dpfn(w);
	int err = u->mm->ops->resume(u->mm, b->va + i * MM_PAGE_SIZE, 1);

	block_unlock(u, b);
	count_add(&u->count.spurious, 1);
	if (err == -EFAULT)
		device_clear(device_get(u, page_dev(w)), &dpfn, 1);
	return err ? MM_RETRY : MM_RESOLVED;
}
