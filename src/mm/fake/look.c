/* SPDX-License-Identifier: MIT */
/* look.c - what the fake page table says of a page. */
#include <errno.h>

#include "mm/fake/fake_int.h"
#include "sys/fail.h"

static uint16_t look_at(const struct fake_page *page)
{
	bool writes = !(page->marks & FAKE_READONLY);
	uint16_t look = MM_LOOK_MAPPED | MM_LOOK_READ;

	if (!page->kind)
		return 0;
	if (writes)
		look |= MM_LOOK_WRITE;
	if (page->fd)
		look |= MM_LOOK_SHARED;
	if (page->state == FAKE_PRESENT || page->state == FAKE_PROTECTED ||
	    page->state == FAKE_PLACED)
		look |= MM_LOOK_PRESENT;
	if ((page->state == FAKE_PRESENT || page->state == FAKE_PLACED) &&
	    writes)
		look |= MM_LOOK_WRITABLE;
	return look;
}

int fake_look(struct mm *mm, uintptr_t start, size_t npages, uint16_t *ret)
{
	struct fake *f = fake_of(mm);
	const struct fake_page *page;

	if (sys_should_fail("fake look"))
		return -ENOMEM;
	page = fake_lock_page(f, start);
	for (size_t i = 0; i < npages; i++)
		ret[i] = look_at(&page[i]);
	sys_mutex_unlock(&f->lock);
	return 0;
}

static struct fake_page fresh(const struct fake_page *page)
{
	struct fake_page is = *page;

	is.state = FAKE_PRESENT;
	is.node = 0;
	return is;
}

/* Memory that is not tracked; of tracked pages each can be written to. */
int fake_populate(struct mm *mm, uintptr_t start, size_t npages, bool write)
{
	struct fake *f = fake_of(mm);
	struct fake_page *page;
	int err = 0;

	(void)write;
	if (sys_should_fail("fake populate"))
		return -EAGAIN;
	page = fake_lock_page(f, start);
	for (size_t i = 0; i < npages && !err; i++) {
		if (!page[i].kind)
			err = -ENOMEM;
		else if (page[i].state == FAKE_EMPTY && !page[i].is_tracked)
			page[i] = fresh(&page[i]);
	}
	sys_mutex_unlock(&f->lock);
	return err;
}

/* Frames: one that holds only zeroes might as well be none. */
static void look_at_frames(struct fake *f, uintptr_t va, unsigned first,
			   unsigned last, struct mm_set *ret)
{
	const unsigned char *frame = f->slots + (va - (uintptr_t)f->slots);

	sys_mutex_lock(&f->lock);
	for (unsigned i = first; i < last; i++)
		if (fake_is_occupied(frame + i * MM_PAGE_SIZE))
			set_add(ret, i);
	sys_mutex_unlock(&f->lock);
}

static bool is_slot(const struct fake *f, uintptr_t va)
{
	uintptr_t slots = (uintptr_t)f->slots;

	return va >= slots && va < slots + f->nr_slots * MM_BLOCK_SIZE;
}

int fake_resident(struct mm *mm, uintptr_t va, unsigned first, unsigned last,
		  struct mm_set *ret)
{
	struct fake *f = fake_of(mm);
	const struct fake_page *page;

	if (sys_should_fail("fake resident"))
		return -ENOMEM;
	set_clear(ret);
	if (is_slot(f, va)) {
		look_at_frames(f, va, first, last, ret);
		return 0;
	}
	page = fake_lock_page(f, va);
	for (unsigned i = first; i < last; i++) {
		if (page[i].state == FAKE_PRESENT ||
		    page[i].state == FAKE_PROTECTED ||
		    page[i].state == FAKE_PLACED)
			set_add(ret, i);
	}
	sys_mutex_unlock(&f->lock);
	return 0;
}
