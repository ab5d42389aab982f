// SPDX-License-Identifier: MIT
/*
 * freeze.c - pages of the fake page table leave their addresses.
 */
#include <errno.h>
#include <string.h>

#include <uhmm/uhmm.h>

#include "fake_int.h"
#include "sys/fail.h"

/* As in the kernel, a page does not move to where there is one. */
bool fake_is_occupied(const unsigned char *frame)
{
	return *frame || memcmp(frame, frame + 1, MM_PAGE_SIZE - 1);
}

unsigned char *fake_frame(struct fake *f, uintptr_t frame, size_t npages)
{
	uintptr_t first = (uintptr_t)f->slots;
	uintptr_t end = first + f->slots_used * MM_BLOCK_SIZE;

	if (frame < first || frame + npages * MM_PAGE_SIZE > end)
		fake_bug("frame outside of the slots", frame);
	return f->slots + (frame - first);
}

/* Why a page cannot be frozen. */
static enum uhmm_why freeze_refusal(struct fake *f,
				    const struct fake_page *page)
{
	if (!page->kind)
		return UHMM_WHY_UNMAPPED;
	if (page->state == FAKE_POISONED)
		return UHMM_WHY_POISONED;
	if (page->marks & FAKE_PINNED)
		return UHMM_WHY_PINNED;
	if (page->marks & FAKE_SHARED)
		return UHMM_WHY_SHARED;
	if (page->marks & FAKE_LOCKED)
		return UHMM_WHY_LOCKED;
	return fake_refuses(f) ? UHMM_WHY_BUSY : UHMM_WHY_OK;
}

static void freeze_page(struct fake *f, struct mm_freeze *z, unsigned i,
			bool move)
{
	uintptr_t va = z->va + i * MM_PAGE_SIZE;
	struct fake_page *page = &f->pages[fake_index(va)];

	if (page->kind && !page->is_tracked)
		fake_bug("freezing a page that is not tracked", va);
	if (page->fd)
		fake_bug("freezing device memory", va);
	if (page->kind && page->state == FAKE_EMPTY) {
		set_add(&z->holes, i);
		return;
	}
	z->why[i] = freeze_refusal(f, page);
	if (z->why[i])
		return;
	if (move && !(page->marks & FAKE_READONLY)) {
		unsigned char *frame =
			fake_frame(f, z->slot + i * MM_PAGE_SIZE, 1);

		if (fake_is_occupied(frame)) {
			z->why[i] = UHMM_WHY_BUSY;
			return;
		}
		memcpy(frame, fake_bytes(f, va), MM_PAGE_SIZE);
		page->state = FAKE_EMPTY;
		set_add(&z->framed, i);
	} else {
		set_add(&z->left, i);
	}
}

/* Each other page that may go with them does so. */
static struct mm_set with_bystanders(struct fake *f, const struct mm_freeze *z)
{
	struct mm_set all = z->want;

	set_for_each(&z->also, i) {
		uintptr_t va = z->va + i * MM_PAGE_SIZE;

		if (f->pages[fake_index(va)].state == FAKE_PRESENT)
			set_add(&all, i);
	}
	return all;
}

int fake_freeze(struct mm *mm, struct mm_freeze *z)
{
	struct fake *f = fake_of(mm);
	struct mm_set all;
	bool move;

	if (sys_should_fail("fake freeze"))
		return -EAGAIN;
	fake_lock_page(f, z->va);
	if (atomic_load(&f->pending) || f->is_dead) {
		sys_mutex_unlock(&f->lock);
		return f->is_dead ? -ENODEV : -EAGAIN;
	}
	move = mm->can_move;
	set_clear(&z->framed);
	set_clear(&z->left);
	set_clear(&z->holes);
	all = with_bystanders(f, z);
	set_for_each(move ? &all : &z->want, i)
		freeze_page(f, z, i, move);
	z->left = set_and(&z->left, &z->want);
	z->huge = set_full(&z->framed);
	sys_mutex_unlock(&f->lock);
	return 0;
}

static void stash_page(struct fake *f, struct mm_freeze *z, unsigned i)
{
	uintptr_t va = z->va + i * MM_PAGE_SIZE;
	struct fake_page *page = &f->pages[fake_index(va)];

	if (page->fd)
		fake_bug("stashing device memory", va);
	z->why[i] = UHMM_WHY_BUSY;
	if (!page->kind || !page->is_tracked || fake_refuses(f))
		return;
	z->why[i] = UHMM_WHY_LOCKED;
	if (page->marks & FAKE_LOCKED)
		return;
	z->why[i] = UHMM_WHY_OK;
	if (page->marks & FAKE_LOCKS) {
		page->marks |= FAKE_LOCKED;
		z->why[i] = UHMM_WHY_LOCKED;
	}
	if (page->state == FAKE_EMPTY) {
		set_add(&z->holes, i);
		return;
	}
	if (page->state == FAKE_POISONED) { /* the mark goes along */
		z->why[i] = UHMM_WHY_POISONED;
		page->state = FAKE_EMPTY;
		return;
	}
	memcpy(fake_frame(f, z->slot + i * MM_PAGE_SIZE, 1), fake_bytes(f, va),
	       MM_PAGE_SIZE);
	page->state = FAKE_EMPTY;
	set_add(&z->framed, i);
}

/* An event under way may mean that another's pages are there now. */
void fake_stash(struct mm *mm, struct mm_freeze *z)
{
	struct fake *f = fake_of(mm);
	bool fails = sys_should_fail("fake stash");

	fake_lock_page(f, z->va);
	set_clear(&z->framed);
	set_clear(&z->left);
	set_clear(&z->holes);
	if (!fails && !atomic_load(&f->pending))
		set_for_each(&z->want, i)
			stash_page(f, z, i);
	sys_mutex_unlock(&f->lock);
}

int fake_unprotect(struct mm *mm, uintptr_t va, size_t npages)
{
	struct fake *f = fake_of(mm);
	struct fake_page *page;
	int err = 0;

	if (sys_should_fail("fake unprotect"))
		return -EAGAIN;
	page = fake_lock_page(f, va);
	if (atomic_load(&f->pending))
		err = -EAGAIN;
	for (size_t i = 0; !err && i < npages; i++) {
		if (page[i].state == FAKE_PROTECTED)
			page[i].state = FAKE_PRESENT;
	}
	sys_mutex_unlock(&f->lock);
	if (!err)
		fake_wake_all(f);
	return err;
}
