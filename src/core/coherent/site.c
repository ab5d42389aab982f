/* SPDX-License-Identifier: MIT */
/*
 * site.c - devices that are sites, as NUMA nodes are: added and removed, and
 * their pages brought home.
 *
 * A page on such a device is P_COHERENT, and otherwise like a page of RAM: it
 * keeps its address, the CPU uses it there, and no touch faults.  The kernel
 * moves the page, so no state says that a move is under way: the page is at its
 * address before and after.  The mover looks at which site each page is, under
 * the block's lock, and sets the words accordingly.
 *
 * A dpfn of such a device serves only to count pages; which page of the site it
 * is, the kernel alone knows.
 */
#include "core/coherent/site.h"
#include "core/context/context.h"
#include "core/context/dispatch.h"
#include "core/context/stats.h"
#include "core/device/device.h"
#include "core/fork/gate.h"
#include "core/notify/notify.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#include <errno.h>

/* ---- Strays: pages that a race left at a site -------------------------- */

/*
 * The block's managed pages that are at @dev's site although their words do not
 * say so.
 */
static void find_untold(struct uhmm_device *dev, struct block *b,
			struct mm_sites *n)
{
	struct uhmm *u = dev->u;

	block_lock(b);
	block_managed(u, b, &n->set);
	if (u->mm->ops->site_look(u->mm, n))
		set_clear(&n->set);
	set_for_each(&n->set, i)
		if (n->on[i] != dev->site || site_has(u, block_word(b, i)))
			set_del(&n->set, i);
	block_unlock(u, b);
}

static void sweep_block(struct uhmm_device *dev, struct block *b)
{
	struct mm_sites n = { .va = b->va, .to = MM_SITE_HOME };
	struct uhmm *u = dev->u;

	gate_enter(u);
	block_take_mover(u, b);
	find_untold(dev, b, &n);
	if (!set_empty(&n.set)) {
		mirror_invalidate_set(u, b, &n.set, UHMM_NOTIFY_MIGRATE);
		u->mm->ops->site_move(u->mm, &n);
	}
	block_let_go(u, b);
	gate_leave(u);
}

/*
 * If the application moves a page by mremap(2) while the kernel moves it to the
 * site, the page is there and its word does not say so.  Bring such
 * strays home before the device is removed.
 */
static void sweep_site(struct uhmm_device *dev)
{
	const uintptr_t end = (uintptr_t)1 << VA_BITS;
	struct uhmm *u = dev->u;
	uintptr_t at = 0, s, e;

	if (!atomic_load(&dev->has_strays))
		return;
	while (at < end && region_next(u, at, end, &s, &e)) {
		struct block *b = block_get(u, s);

		if (b)
			sweep_block(dev, b);
		at = (s | (MM_BLOCK_SIZE - 1)) + 1;
	}
}

/* ---- Coming and going ------------------------------------------------- */

static bool is_node_taken(const struct uhmm_device *dev)
{
	device_for_each(dev->u, other)
		if (other->is_site && !device_is_kmod(other) &&
		    other->site == dev->site)
			return true;
	return false;
}

static int isolate_all(struct uhmm *u)
{
	const uintptr_t end = (uintptr_t)1 << VA_BITS;
	int ret = 0;

	region_for_each(u, 0, end, s, e) {
		int err = u->mm->ops->isolate(u->mm, s, e);

		ret = ret ? ret : err;
	}
	return ret;
}

static void close_site(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;

	if (device_is_kmod(dev)) {
		u->mm->ops->kmod->detach(u->mm, dev->site);
		return;
	}
	u->mm->ops->avoid(u->mm, dev->desc.node, false);
	isolate_all(u);
}

static int open_site(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	int err = -ENODEV;

	if (device_is_kmod(dev))
		return u->mm->ops->kmod ?
			       u->mm->ops->kmod->attach(u->mm, dev->desc.fd,
							&dev->site) :
			       -ENODEV;
	if (u->mm->ops->avoid)
		err = u->mm->ops->avoid(u->mm, dev->desc.node, true);
	if (err)
		return err;
	err = isolate_all(u);
	if (err)
		close_site(dev);
	return err;
}

static void count_site(struct uhmm_device *dev, int by)
{
	atomic_fetch_add(&dev->u->nr_sites, (uint32_t)by);
	if (device_is_kmod(dev))
		atomic_fetch_add(&dev->u->nr_kmods, (uint32_t)by);
	dev->is_site = by > 0;
}

static void drop_site(struct uhmm_device *dev)
{
	count_site(dev, -1);
	close_site(dev);
}

/* Nothing can be moved to the site before the device has its number. */
static int attach_site(struct uhmm_device *dev)
{
	int err = !device_is_kmod(dev) && is_node_taken(dev) ? -EBUSY :
							       open_site(dev);

	if (err)
		return err;
	count_site(dev, 1);
	err = device_take_number(dev);
	if (err)
		drop_site(dev);
	return err;
}

int site_attach(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	int err;

	sys_mutex_lock(&u->sites_lock);
	err = attach_site(dev);
	sys_mutex_unlock(&u->sites_lock);
	if (err && device_is_kmod(dev))
		sys_logf(&u->log, SYS_ERR,
			 "device %s: its file has no device of /dev/uhmm: %s",
			 dev->name, sys_error(err));
	else if (err)
		sys_logf(&u->log, SYS_ERR, "device %s: node %d %s", dev->name,
			 dev->desc.node,
			 err == -EBUSY ? "is that of another device" :
					 "cannot be one");
	return err;
}

void site_forget(struct uhmm_device *dev)
{
	sys_mutex_lock(&dev->u->sites_lock);
	if (dev->is_site)
		drop_site(dev);
	sys_mutex_unlock(&dev->u->sites_lock);
}

void site_detach(struct uhmm_device *dev)
{
	if (dev->is_site)
		sweep_site(dev);
	site_forget(dev);
}

void site_detach_all(struct uhmm *u)
{
	device_for_each(u, dev)
		site_detach(dev);
}

/* ---- Home ------------------------------------------------------------- */

/*
 * @set: pages that came home
 * @word: their former words; the device pages are freed without the lock
 */
struct recount {
	struct uhmm *u;
	struct block *b;
	const struct mm_set *want;
	const struct uhmm_device *only;
	uint8_t *why;
	unsigned left, came;
	struct mm_set set;
	uint64_t word[MM_BLOCK_PAGES];
};

static bool is_word_on(struct uhmm *u, uint64_t w,
		       const struct uhmm_device *only)
{
	return site_has(u, w) && (!only || page_dev(w) == only->id);
}

static void came(struct recount *r, unsigned i)
{
	uint64_t w = block_word(r->b, i);

	block_home(r->u, r->b, i, E_HOME);
	set_add(&r->set, i);
	count_add(&device_get(r->u, page_dev(w))->pages_out, 1);
	r->word[r->came++] = w;
	if (r->why && set_has(r->want, i))
		r->why[i] = UHMM_WHY_OK;
}

/*
 * @on: the site where page @i is, or below 0 if the kernel does not see it.  A
 *	page outside of @want may be unseen because the kernel is just moving it
 *	within the site: it stays as it is.
 */
static void recount_page(struct recount *r, unsigned i, int on)
{
	struct uhmm_device *dev =
		device_get(r->u, page_dev(block_word(r->b, i)));
	bool wanted = set_has(r->want, i);

	if (on == dev->site) {
		r->left += wanted;
		return;
	}
	if (on < 0 && !wanted)
		return;
	if (on < 0) /* gone, or moved with its mapping */
		atomic_store(&dev->has_strays, true);
	came(r, i);
}

static void recount_locked(struct recount *r)
{
	struct mm_sites n = { .va = r->b->va };
	int err;

	for (unsigned i = 0; i < MM_BLOCK_PAGES; i++)
		if (is_word_on(r->u, block_word(r->b, i), r->only))
			set_add(&n.set, i);
	err = r->u->mm->ops->site_look(r->u->mm, &n);
	set_for_each(&n.set, i) {
		if (!err)
			recount_page(r, i, n.on[i]);
		else
			r->left += set_has(r->want, i);
	}
}

void site_note_ram(struct uhmm_device *dev)
{
	struct call_what what = { .op = CALL_STORED };
	struct call *c = dev->ops.usage ? call_begin(dev, &what) : NULL;

	if (!c)
		return;
	device_note_ram(dev);
	call_end(dev, c);
}

static void note_ram_of_all(struct uhmm *u)
{
	device_for_each(u, dev)
		if (device_is_kmod(dev))
			site_note_ram(dev);
}

unsigned site_recount(struct uhmm *u, struct block *b,
		      const struct mm_set *want, const struct uhmm_device *only,
		      uint8_t *why)
{
	struct recount r = {
		.u = u, .b = b, .want = want, .only = only, .why = why
	};

	block_lock(b);
	recount_locked(&r);
	block_unlock(u, b);
	/* A mirror fault may have entered the old place: invalidate again. */
	if (r.came)
		mirror_invalidate_set(u, b, &r.set, UHMM_NOTIFY_MIGRATE);
	count_add(&u->count.to_ram, r.came);
	device_free_words(u, r.word, r.came);
	if (r.came && atomic_load(&u->nr_kmods))
		note_ram_of_all(u);
	return r.left;
}

/* Can a child of fork(2) use the page as its parent does? */
static bool is_shared_on(struct uhmm *u, uint64_t w)
{
	return device_is_kmod(device_get(u, page_dev(w)));
}

/* Pages discarded by MADV_FREE may still be there, so they go along. */
static void select_home(struct uhmm *u, struct block *b,
			const struct mm_set *want,
			const struct uhmm_device *only, bool fork,
			struct mm_set *ret)
{
	set_clear(ret);
	block_lock(b);
	set_for_each(want, i) {
		uint64_t w = block_word(b, i);

		if (fork && site_has(u, w) && is_shared_on(u, w))
			continue;
		if (is_word_on(u, w, only) || page_state(w) == P_DROPPED)
			set_add(ret, i);
	}
	block_unlock(u, b);
}

int site_home(struct uhmm *u, struct block *b, const struct mm_set *want,
	      const struct uhmm_device *only, bool fork, uint8_t *why)
{
	struct mm_sites n = { .va = b->va, .to = MM_SITE_HOME };
	unsigned left;

	if (!atomic_load(&u->nr_sites) || (only && !device_is_site(only)))
		return 0;
	select_home(u, b, want, only, fork, &n.set);
	if (set_empty(&n.set))
		return 0;
	mirror_invalidate_set(u, b, &n.set, UHMM_NOTIFY_MIGRATE);
	u->mm->ops->site_move(u->mm, &n);
	if (why)
		set_for_each(&n.set, i)
			why[i] = n.why[i] == UHMM_WHY_NO_ROOM ? UHMM_WHY_BUSY :
								n.why[i];
	left = site_recount(u, b, &n.set, only, why);
	return left ? -EBUSY : 0;
}

/* ---- Pages that came home by themselves -------------------------------- */

/* Return: whether pages came home from @dev since this was asked last. */
static bool has_come(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	uint64_t came;

	if (!device_is_kmod(dev) || !atomic_load(&dev->pagemap.nused) ||
	    u->mm->ops->kmod->came(u->mm, dev->site, &came))
		return false;
	return atomic_exchange(&dev->came, came) != came;
}

static void look_at_all(struct uhmm *u)
{
	struct mm_set none;

	set_clear(&none);
	block_for_each(u, b)
		site_recount(u, b, &none, NULL, NULL);
}

void site_look_again(struct uhmm *u)
{
	bool any = false;

	if (!atomic_load(&u->nr_kmods))
		return;
	device_for_each(u, dev)
		any |= has_come(dev);
	if (any)
		look_at_all(u);
}

void site_ask_again(struct uhmm *u)
{
	struct request req = { .op = REQ_LOOK_AGAIN };

	if (atomic_load(&u->nr_kmods))
		request_run(u, &req);
}

int site_lose(struct uhmm_device *dev)
{
	struct uhmm *u = dev->u;
	int err;

	if (!device_is_kmod(dev))
		return 0;
	err = u->mm->ops->kmod->lose(u->mm, dev->site);
	if (!err)
		look_at_all(u);
	return err;
}
