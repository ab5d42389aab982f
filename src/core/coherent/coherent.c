/* SPDX-License-Identifier: MIT */
/*
 * coherent.c - device memory that the CPU maps by a file.
 *
 * A page is copied to such a device as to any other.  Then the device's memory
 * is mapped at the page's address, and the page is P_COHERENT: the CPU uses it
 * without a fault.  On the way home anonymous memory is mapped at the address
 * first; from then on the page is like one on a private device.
 *
 * While mappings are replaced, pages are P_COMING with PAGE_SWAPPING: faults
 * wait, and the device's copy is the truth.  An event must not wait for them,
 * for the replacement waits for events:
 *
 *	discard	PAGE_DROP; the mover zeroes the page, or frees it
 *	unmap	the word goes, the mover frees the device page
 *	remap	the page goes along with what is mapped there by now, and the
 *		mover learns that the page left (carried_take())
 *
 * If the application discards a P_COHERENT page, the device page stays and is
 * zeroed.  Until then the word has PAGE_DROP: the kernel has unmapped the page,
 * and faults wait.
 *
 * A page that is lost while it is mapped, or may be, is P_POISONED with
 * PAGE_SWAPPING.  The word still says where on the device the page was, until
 * the thread that marked the page, or the mover that was swapping it, has taken
 * the mapping away.  If the application moves the page meanwhile, it becomes
 * PAGE_ORPHAN; the same thread looks for orphans at the end, by
 * coherent_lose_orphans().
 */
#include <errno.h>

#include "core/coherent/coherent.h"
#include "core/coherent/placed.h"
#include "core/context/context.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/page/block.h"
#include "core/page/dropped.h"
#include "core/page/page.h"

/* The process needs mappings for other things, too. */
#define SHARE_OF_MAPPINGS 2

#define WIPE_TRIES 6

bool coherent_is_mapped(struct uhmm *u, uint64_t w)
{
	struct uhmm_device *dev;

	if (page_state(w) != P_COHERENT && !(w & PAGE_SWAPPING))
		return false;
	dev = device_get(u, page_dev(w));
	return dev && device_is_mapped(dev);
}

bool coherent_is_elsewhere(struct uhmm_device *dev, uintptr_t va)
{
	if (!device_is_mapped(dev) || atomic_load(&dev->watched))
		return false;
	sys_logf(&dev->u->log, SYS_WARN,
		 "device %s: pages near %#lx were unmapped or moved unnoticed",
		 dev->name, (unsigned long)va);
	return true;
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

	if (!placed && w & PAGE_DROP)
		return P_EMPTY;
	carried_add(u, dev->id, page_dpfn(w));
	return page_on_device(placed ? P_COHERENT : P_DEVICE, dev->id,
			      page_dpfn(w)) |
	       (w & PAGE_DROP);
}

/* ---- How many mappings ------------------------------------------------- */

static bool follows_word(uint64_t w, uint64_t next)
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
		     !(i && follows_word(block_word(b, i - 1), w));
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

/* ---- Discarded by the application --------------------------------------- */

static bool is_to_wipe(uint64_t w)
{
	return page_state(w) == P_COHERENT && w & PAGE_DROP;
}

/*
 * A discarded page must read as zeroes, so try several times.  Return: whether
 * the CPU may use the page again; false if the device is lost, because the page
 * is about to be poisoned.
 */
static bool wipe_page(struct uhmm *u, struct block *b, unsigned i, uint64_t w)
{
	struct uhmm_device *dev = device_get(u, page_dev(w));
	int err = device_clear_page(dev, page_dpfn(w), WIPE_TRIES);

	if (err && device_is_lost(dev))
		return false;
	if (err)
		sys_logf(&u->log, SYS_ERR, "page %#lx keeps what was discarded",
			 (unsigned long)block_addr(b, i));
	return true;
}

/* Pages P_COHERENT with PAGE_DROP are zeroed; faults on them wait till then. */
void coherent_wipe(struct uhmm *u, struct block *b, const struct mm_set *set)
{
	uint64_t word[MM_BLOCK_PAGES];

	block_lock(b);
	set_for_each(set, i)
		word[i] = block_word(b, i);
	block_unlock(u, b);
	set_for_each(set, i)
		if (is_to_wipe(word[i]) && !wipe_page(u, b, i, word[i]))
			word[i] = 0;
	block_lock(b);
	set_for_each(set, i)
		if (is_to_wipe(word[i]) && block_word(b, i) == word[i])
			block_unflag(b, i, PAGE_DROP);
	block_unlock(u, b);
	block_settle(u, b, false);
}

/* ---- Faults ------------------------------------------------------------ */

/*
 * The page was discarded, or the kernel unmapped it for a while.  If the file
 * has no such page any more (-EFAULT), the device page is cleared.
 */
enum mm_outcome coherent_fault_unlock(struct uhmm *u, struct block *b,
				      unsigned i)
{
	uint64_t w = block_word(b, i), dpfn = page_dpfn(w);
	int err = u->mm->ops->resume(u->mm, block_addr(b, i), 1);

	block_unlock(u, b);
	count_add(&u->count.spurious, 1);
	if (err == -EFAULT)
		device_clear(device_get(u, page_dev(w)), &dpfn, 1);
	return err ? MM_RETRY : MM_RESOLVED;
}
