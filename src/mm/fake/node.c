/* SPDX-License-Identifier: MIT */
/*
 * node.c - NUMA nodes on the fake page table: a number a page, and how
 * many pages each node still has room for.
 */
#include <errno.h>

#include <uhmm/uhmm.h>

#include "mm/fake/fake_int.h"
#include "sys/fail.h"

static bool has_place(const struct fake_page *page)
{
	return page->state == FAKE_PRESENT || page->state == FAKE_PROTECTED;
}

int fake_avoid(struct mm *mm, int node, bool on)
{
	struct fake *f = fake_of(mm);

	if (on && sys_should_fail("fake avoid"))
		return -ENOMEM;
	if (node <= 0 || node >= FAKE_NODES)
		return -ENODEV;
	sys_mutex_lock(&f->lock);
	f->avoided ^= UINT64_C(1) << node;
	sys_mutex_unlock(&f->lock);
	return 0;
}

int fake_isolate(struct mm *mm, uintptr_t start, uintptr_t end)
{
	if (!fake_is_inside(start, end))
		fake_bug("isolating what is outside", start);
	(void)mm;
	return sys_should_fail("fake isolate") ? -ENOMEM : 0;
}

int fake_node_look(struct mm *mm, struct mm_sites *n)
{
	const struct fake_page *page;
	struct fake *f = fake_of(mm);

	if (sys_should_fail("fake node look"))
		return -ENOMEM;
	page = fake_lock_page(f, n->va);
	set_for_each(&n->set, i)
		n->on[i] = (int16_t)(has_place(&page[i]) ? fake_site(&page[i]) :
							   MM_SITE_NONE);
	sys_mutex_unlock(&f->lock);
	return 0;
}

static uint8_t node_refusal(struct fake *f, const struct fake_page *page,
			    int to)
{
	if (page->marks & FAKE_PINNED)
		return UHMM_WHY_PINNED;
	if (page->marks & FAKE_SHARED)
		return UHMM_WHY_SHARED;
	if (page->node >= FAKE_NODES && f->kmod[page->node - FAKE_NODES].lost)
		return UHMM_WHY_BUSY;
	if (to && !f->room[to])
		return UHMM_WHY_NO_ROOM;
	return fake_refuses(f) ? UHMM_WHY_BUSY : UHMM_WHY_OK;
}

void fake_node_move(struct mm *mm, struct mm_sites *n)
{
	int to = n->to == MM_SITE_HOME ? 0 : fake_place_of_site(n->to);
	bool fails = sys_should_fail("fake node move");
	struct fake *f = fake_of(mm);
	struct fake_page *page = fake_lock_page(f, n->va);

	set_for_each(&n->set, i) {
		n->why[i] = fails ? UHMM_WHY_BUSY : UHMM_WHY_OK;
		if (fails || !has_place(&page[i]) || page[i].node == to)
			continue;
		n->why[i] = node_refusal(f, &page[i], to);
		if (n->why[i])
			continue;
		f->room[page[i].node]++;
		f->room[to]--;
		if (page[i].node >= FAKE_NODES)
			f->kmod[page[i].node - FAKE_NODES].came++;
		page[i].node = (uint8_t)to;
	}
	sys_mutex_unlock(&f->lock);
	if (f->on_node_move)
		f->on_node_move(mm);
}

/* ---- For tests -------------------------------------------------------- */

void fake_set_node(struct mm *mm, int node, size_t room)
{
	struct fake *f = fake_of(mm);

	sys_mutex_lock(&f->lock);
	f->room[node] = room;
	sys_mutex_unlock(&f->lock);
}

void fake_drag(struct mm *mm, uintptr_t addr, int node)
{
	struct fake *f = fake_of(mm);

	fake_lock_page(f, addr)->node = (uint8_t)node;
	sys_mutex_unlock(&f->lock);
}

void fake_on_node_move(struct mm *mm, void (*fn)(struct mm *mm))
{
	fake_of(mm)->on_node_move = fn;
}

int fake_node(struct mm *mm, uintptr_t addr)
{
	struct fake *f = fake_of(mm);
	const struct fake_page *page = fake_lock_page(f, addr);
	int node = has_place(page) ? fake_site(page) : MM_SITE_NONE;

	sys_mutex_unlock(&f->lock);
	return node;
}
