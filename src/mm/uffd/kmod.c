/* SPDX-License-Identifier: MIT */
/*
 * kmod.c - devices of the kernel module: pages move there and back by its call
 * MOVE, and LOOK says where they are.
 *
 * The table has the file and the number of each device, in one word, so that
 * readers take no lock.  A look, or a move home, is a call on any of the files.
 * Its device may be detached meanwhile: then another file is tried.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <uhmm/uhmm.h>

#include "mm/uffd/uffd.h"
#include "sys/kmod.h"

#define TRIES	   3   /* of a page that is busy for a moment */
#define HOME_TRIES 100 /* as it is on its way home, by a touch perhaps */
#define UNTRIED	   0xff

static uint64_t to_entry(int fd, uint32_t id)
{
	return (uint64_t)id << 32 | (uint32_t)(fd + 1);
}

static int entry_fd(uint64_t entry)
{
	return (int)(uint32_t)entry - 1;
}

static uint32_t entry_id(uint64_t entry)
{
	return (uint32_t)(entry >> 32);
}

bool uffd_has_kmod(const struct uffd *b)
{
	return atomic_load(&b->kmods.nr);
}

/* 0: there is none */
static uint64_t entry_of_site(const struct uffd *b, int site)
{
	if (site < MM_KMOD_SITES || site >= MM_KMOD_SITES + MM_MAX_KMODS)
		return 0;
	return atomic_load(&b->kmods.entry[site - MM_KMOD_SITES]);
}

static uint64_t any_entry(const struct uffd *b)
{
	for (unsigned i = 0; i < MM_MAX_KMODS; i++) {
		uint64_t entry = atomic_load(&b->kmods.entry[i]);

		if (entry)
			return entry;
	}
	return 0;
}

/* -1: of none of ours */
static int site_of_id(const struct uffd *b, uint32_t id)
{
	for (unsigned i = 0; i < MM_MAX_KMODS; i++)
		if (entry_id(atomic_load(&b->kmods.entry[i])) == id)
			return MM_KMOD_SITES + (int)i;
	return -1;
}

/* ---- Looking ---------------------------------------------------------- */

static int look_run(const struct uffd *b, uintptr_t addr, size_t npages,
		    uint32_t *ret_on)
{
	uint64_t entry = any_entry(b), before = 0;
	int err = -ENODEV;

	while (err && entry && entry != before) {
		err = sys_kmod_look(entry_fd(entry), addr, npages, ret_on);
		before = entry;
		entry = any_entry(b);
	}
	return err;
}

/* A page on a device of another context is seen, and is no page of RAM. */
static void set_site(const struct uffd *b, struct mm_sites *n, unsigned i,
		     uint32_t on, bool all)
{
	int site;

	if (on == UHMMK_RAM || on == UHMMK_NOWHERE) {
		if (all)
			n->on[i] = on == UHMMK_RAM ? 0 : MM_SITE_NONE;
		return;
	}
	site = site_of_id(b, on);
	n->on[i] = (int16_t)(site < 0 ? MM_SITE_NONE : site);
}

int uffd_kmod_look(struct uffd *b, struct mm_sites *n, bool all)
{
	uint32_t on[MM_BLOCK_PAGES];

	set_for_each_run(&n->set, first, last) {
		int err = look_run(b, n->va + first * MM_PAGE_SIZE,
				   last - first, on + first);

		if (err)
			return err;
		for (unsigned i = first; i < last; i++)
			set_site(b, n, i, on[i], all);
	}
	return 0;
}

/* ---- Moving ----------------------------------------------------------- */

static uint8_t reason_of(uint8_t why, bool home)
{
	switch (why) {
	case UHMMK_MOVED:
		return UHMM_WHY_OK;
	case UHMMK_STAYS:
		return home ? UHMM_WHY_OK : UHMM_WHY_BUSY;
	case UHMMK_NO_MEMORY:
	case UHMMK_FULL:
		return UHMM_WHY_NO_ROOM;
	default:
		return UHMM_WHY_BUSY;
	}
}

/* Return: the first page that was not tried. */
static unsigned move_part(struct mm_sites *n, uint64_t entry, unsigned i,
			  unsigned last)
{
	bool home = n->to == MM_SITE_HOME;
	int err;

	memset(n->why + i, UNTRIED, last - i);
	err = sys_kmod_move(entry_fd(entry), home ? UHMMK_RAM : entry_id(entry),
			    n->va + i * MM_PAGE_SIZE, last - i, n->why + i);
	for (; i < last && n->why[i] != UNTRIED; i++)
		n->why[i] = reason_of(n->why[i], home);
	if (err && i < last)
		n->why[i++] = err == -EINVAL ? UHMM_WHY_UNSUPPORTED :
					       UHMM_WHY_BUSY;
	return err ? i : last;
}

static struct mm_set still_busy(const struct mm_sites *n,
				const struct mm_set *tried)
{
	struct mm_set ret;

	set_clear(&ret);
	set_for_each(tried, i)
		if (n->why[i] == UHMM_WHY_BUSY)
			set_add(&ret, i);
	return ret;
}

void uffd_kmod_move(struct uffd *b, struct mm_sites *n)
{
	int most = n->to == MM_SITE_HOME ? HOME_TRIES : TRIES;
	struct mm_set left = n->set;

	set_for_each(&left, i)
		n->why[i] = UHMM_WHY_BUSY;
	for (int tries = 0; tries < most && !set_empty(&left); tries++) {
		uint64_t entry = n->to == MM_SITE_HOME ?
					 any_entry(b) :
					 entry_of_site(b, n->to);

		if (!entry)
			return;
		if (tries)
			sys_yield();
		set_for_each_run(&left, first, last)
			for (unsigned i = first; i < last;)
				i = move_part(n, entry, i, last);
		left = still_busy(n, &left);
	}
}

/* ---- Devices ---------------------------------------------------------- */

static int kmod_attach(struct mm *mm, int fd, int *ret_site)
{
	struct uffd_kmods *k = &to_uffd(mm)->kmods;
	struct uhmmk_stat stat;
	unsigned i = 0;
	int err = sys_kmod_stat(fd, &stat);

	if (err)
		return err == -ENOTTY || err == -ENXIO ? -ENODEV : err;
	while (i < MM_MAX_KMODS && atomic_load(&k->entry[i]))
		i++;
	if (i == MM_MAX_KMODS)
		return -ENOSPC;
	atomic_store(&k->entry[i], to_entry(fd, stat.id));
	atomic_fetch_add(&k->nr, 1);
	*ret_site = MM_KMOD_SITES + (int)i;
	return 0;
}

static void kmod_detach(struct mm *mm, int site)
{
	struct uffd_kmods *k = &to_uffd(mm)->kmods;

	atomic_fetch_sub(&k->nr, 1);
	atomic_store(&k->entry[site - MM_KMOD_SITES], 0);
}

static int kmod_came(struct mm *mm, int site, uint64_t *ret)
{
	uint64_t entry = entry_of_site(to_uffd(mm), site);
	struct uhmmk_stat stat;
	int err = entry ? sys_kmod_stat(entry_fd(entry), &stat) : -ENODEV;

	if (err)
		return err;
	*ret = stat.faults + stat.home;
	return 0;
}

static int kmod_lose(struct mm *mm, int site)
{
	uint64_t entry = entry_of_site(to_uffd(mm), site);

	return entry ? sys_kmod_lose(entry_fd(entry)) : -ENODEV;
}

const struct mm_kmod_ops uffd_kmod_ops = {
	.attach = kmod_attach,
	.detach = kmod_detach,
	.came = kmod_came,
	.lose = kmod_lose,
};
