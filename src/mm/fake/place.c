// SPDX-License-Identifier: MIT
/*
 * place.c - device memory in the fake page table, see fake.h.
 *
 * A page that is placed has a file: what the CPU finds there are the file's
 * bytes.  When it is discarded it is FAKE_EMPTY, still of that file, until
 * resume() lets the CPU in again.
 *
 * Files are there for all page tables, as file descriptors are.
 */
#include <errno.h>

#include "mm/fake/fake_int.h"
#include "sys/fail.h"

#define FIRST_FD  1000000 /* no descriptor of this process */
#define MAX_FILES 64

struct fake_file {
	unsigned char *bytes;
	size_t npages;
};

static struct sys_mutex files_lock;
static struct fake_file files[MAX_FILES];

int fake_file(unsigned char *bytes, size_t npages)
{
	int fd = -EMFILE;

	sys_mutex_lock(&files_lock);
	for (int i = 0; i < MAX_FILES && fd < 0; i++) {
		if (files[i].bytes)
			continue;
		files[i] = (struct fake_file){ bytes, npages };
		fd = FIRST_FD + i;
	}
	sys_mutex_unlock(&files_lock);
	return fd;
}

void fake_file_close(int fd)
{
	sys_mutex_lock(&files_lock);
	files[fd - FIRST_FD].bytes = NULL;
	sys_mutex_unlock(&files_lock);
}

unsigned char *fake_file_bytes(const struct fake_page *page, uintptr_t va)
{
	const struct fake_file *file = &files[page->fd - FIRST_FD];
	unsigned char *bytes;

	sys_mutex_lock(&files_lock);
	if (!file->bytes || page->offset / MM_PAGE_SIZE >= file->npages)
		fake_bug("touch of device memory that is gone", va);
	bytes = file->bytes + page->offset;
	sys_mutex_unlock(&files_lock);
	return bytes;
}

/* ---- The backend's half ---- */

static bool has_file(const struct fake_page *page, int fd, uint64_t offset)
{
	return page->kind && page->fd == fd && page->offset == offset;
}

/* Under the lock. */
static int check_still(struct fake *f, const struct mm_place *p)
{
	if (f->is_dead)
		return -ENODEV;
	if (atomic_load(&f->pending) || f->mappings != p->stamp)
		return -EAGAIN;
	return fake_refuses(f) ? -EAGAIN : 0;
}

uint32_t fake_stamp(struct mm *mm, uintptr_t va)
{
	struct fake *f = fake_of(mm);
	uint32_t stamp;

	(void)va;
	sys_mutex_lock(&f->lock);
	stamp = f->mappings;
	sys_mutex_unlock(&f->lock);
	return stamp;
}

static int place_page(struct fake *f, const struct mm_place *p, size_t i)
{
	uintptr_t va = p->va + i * MM_PAGE_SIZE;
	struct fake_page *page = &f->pages[fake_index(va)];

	if (page->kind != MM_ANON || page->fd || !page->is_tracked)
		return -ENOENT;
	if (page->state != FAKE_EMPTY && page->state != FAKE_POISONED)
		fake_bug("device memory in the place of a page", va);
	page->fd = p->fd;
	page->offset = p->offset + i * MM_PAGE_SIZE;
	page->state = FAKE_PLACED;
	return 0;
}

static int unplace_page(struct fake *f, const struct mm_place *p, size_t i)
{
	uintptr_t va = p->va + i * MM_PAGE_SIZE;
	struct fake_page *page = &f->pages[fake_index(va)];

	if (page->kind == MM_ANON && !page->fd)
		return 0;
	if (!has_file(page, p->fd, p->offset + i * MM_PAGE_SIZE))
		return -ENOENT;
	page->fd = 0;
	page->state = FAKE_EMPTY;
	page->is_tracked = true;
	return 0;
}

typedef int page_fn(struct fake *f, const struct mm_place *p, size_t i);

static ssize_t for_pages(struct fake *f, struct mm_place *p, page_fn *fn)
{
	size_t done = 0;
	int err;

	fake_lock_page(f, p->va);
	err = check_still(f, p);
	while (!err && done < p->npages) {
		if (done && fake_refuses(f))
			break;
		err = fn(f, p, done);
		done += !err;
	}
	sys_mutex_unlock(&f->lock);
	fake_wake_all(f);
	return done ? (ssize_t)done : err;
}

ssize_t fake_place(struct mm *mm, struct mm_place *p)
{
	ssize_t n;

	if (sys_should_fail("fake place"))
		return -ENOMEM;
	n = for_pages(fake_of(mm), p, place_page);
	p->watched = n > 0;
	return n;
}

ssize_t fake_unplace(struct mm *mm, struct mm_place *p)
{
	if (sys_should_fail("fake unplace"))
		return -ENOMEM;
	return for_pages(fake_of(mm), p, unplace_page);
}

bool fake_is_placed(struct mm *mm, uintptr_t va, int fd, uint64_t offset)
{
	struct fake *f = fake_of(mm);
	bool placed = has_file(fake_lock_page(f, va), fd, offset);

	sys_mutex_unlock(&f->lock);
	return placed;
}

int fake_resume(struct mm *mm, uintptr_t va, size_t npages)
{
	struct fake *f = fake_of(mm);
	struct fake_page *page = fake_lock_page(f, va);
	int err = atomic_load(&f->pending) ? -EAGAIN : 0;

	for (; npages && !err; page++, npages--) {
		if (!page->fd)
			err = -ENOENT;
		else
			page->state = FAKE_PLACED;
	}
	sys_mutex_unlock(&f->lock);
	fake_wake_all(f);
	return err;
}
