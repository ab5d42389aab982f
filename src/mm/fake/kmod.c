/* SPDX-License-Identifier: MIT */
/*
 * kmod.c - devices of the kernel module on the fake page table: places beside
 * the nodes, from which a touch brings a page home.
 */
#include <errno.h>

#include "mm/fake/fake_int.h"
#include "sys/fail.h"

#define FIRST_FD 1000

int fake_site(const struct fake_page *page)
{
	return page->node < FAKE_NODES ?
		       page->node :
		       MM_KMOD_SITES + page->node - FAKE_NODES;
}

int fake_place_of_site(int site)
{
	return site < MM_KMOD_SITES ? site : site - MM_KMOD_SITES + FAKE_NODES;
}

bool fake_kmod_touch(struct fake *f, struct fake_page *page)
{
	struct fake_kmod *k;

	if (page->node < FAKE_NODES)
		return true;
	k = &f->kmod[page->node - FAKE_NODES];
	if (k->lost)
		return false;
	if (k->coherent)
		return true;
	k->came++;
	f->room[page->node]++;
	page->node = 0;
	return true;
}

int fake_kmod_file(struct mm *mm, size_t room, bool coherent)
{
	struct fake *f = fake_of(mm);
	int fd = -EMFILE;

	sys_mutex_lock(&f->lock);
	for (int i = 0; fd < 0 && i < FAKE_KMODS; i++) {
		if (f->kmod[i].attached)
			continue;
		f->kmod[i] = (struct fake_kmod){ .coherent = coherent };
		f->room[FAKE_NODES + i] = room;
		fd = FIRST_FD + i;
	}
	sys_mutex_unlock(&f->lock);
	return fd;
}

static int fake_kmod_attach(struct mm *mm, int fd, int *ret_site)
{
	struct fake *f = fake_of(mm);
	int i = fd - FIRST_FD;

	if (i < 0 || i >= FAKE_KMODS)
		return -ENODEV;
	if (sys_should_fail("fake kmod attach"))
		return -ENOMEM;
	sys_mutex_lock(&f->lock);
	f->kmod[i].attached = true;
	sys_mutex_unlock(&f->lock);
	*ret_site = MM_KMOD_SITES + i;
	return 0;
}

static void fake_kmod_detach(struct mm *mm, int site)
{
	struct fake *f = fake_of(mm);

	sys_mutex_lock(&f->lock);
	f->kmod[site - MM_KMOD_SITES].attached = false;
	sys_mutex_unlock(&f->lock);
}

static int fake_kmod_came(struct mm *mm, int site, uint64_t *ret)
{
	struct fake *f = fake_of(mm);

	if (sys_should_fail("fake kmod came"))
		return -ENOMEM;
	sys_mutex_lock(&f->lock);
	*ret = f->kmod[site - MM_KMOD_SITES].came;
	sys_mutex_unlock(&f->lock);
	return 0;
}

static int fake_kmod_lose(struct mm *mm, int site)
{
	struct fake *f = fake_of(mm);
	struct fake_kmod *k = &f->kmod[site - MM_KMOD_SITES];
	int err = 0;

	sys_mutex_lock(&f->lock);
	if (k->coherent)
		err = -EOPNOTSUPP;
	else
		k->lost = true;
	sys_mutex_unlock(&f->lock);
	return err;
}

const struct mm_kmod_ops fake_kmod_ops = {
	.attach = fake_kmod_attach,
	.detach = fake_kmod_detach,
	.came = fake_kmod_came,
	.lose = fake_kmod_lose,
};
