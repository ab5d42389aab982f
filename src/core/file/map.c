/* SPDX-License-Identifier: MIT */
/*
 * map.c - files are mapped, and cease to be.
 *
 * The mapping has whole blocks of addresses to itself, with PROT_NONE around
 * it: what is not the file's is never managed in a block of a file, and no
 * managed range is next to it.  The words of its pages say from the start that
 * they are on a device, which is the file.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/fault/fault.h"
#include "core/file/file.h"
#include "core/hotplug/hotplug.h"
#include "core/move/migrate.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "sys/room.h"

/* ---- All of a context ---------------------------------------------------- */

struct file_map *file_find(struct uhmm *u, uintptr_t addr, size_t len)
{
	struct file_map *m;

	sys_mutex_lock(&u->files.lock);
	for (m = u->files.first; m; m = m->next)
		if (addr >= m->va && addr - m->va < m->len &&
		    len <= m->len - (addr - m->va))
			break;
	sys_mutex_unlock(&u->files.lock);
	return m;
}

static void enlist_map(struct file_map *m)
{
	struct files *all = &m->u->files;

	sys_mutex_lock(&all->lock);
	m->next = all->first;
	all->first = m;
	sys_mutex_unlock(&all->lock);
}

static void delist_map(struct file_map *m)
{
	struct file_map **at = &m->u->files.first;

	sys_mutex_lock(&m->u->files.lock);
	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	sys_mutex_unlock(&m->u->files.lock);
}

bool file_is_childless(void *priv, uintptr_t addr)
{
	const struct block *b = block_find(priv, addr);

	return b && block_file(b);
}

void file_child(struct uhmm *u)
{
	for (struct file_map *m = u->files.first; m; m = m->next)
		sys_file_close(&m->file);
}

/* ---- Map ----------------------------------------------------------------- */

static size_t nr_map_blocks(const struct file_map *m)
{
	return (m->len + MM_BLOCK_SIZE - 1) >> MM_BLOCK_SHIFT;
}

/* Pages [first, first + n) of the mapping are in one block, from its start. */
static int enter_block(struct file_map *m, size_t k, unsigned n)
{
	struct block *b = block_get(m->u, m->va + k * MM_BLOCK_SIZE);
	struct block_file *f = &m->blocks[k];
	int err;

	if (!b)
		return -ENOMEM;
	f->dev = m->dev->id;
	f->first = k * MM_BLOCK_PAGES;
	set_add_run(&f->set, 0, n);
	block_lock(b);
	err = block_ensure_table(m->u, b);
	if (!err)
		atomic_store(&b->file, f);
	for (unsigned i = 0; !err && i < n; i++)
		block_move_in(m->u, b, i,
			      page_on_device(P_DEVICE, f->dev, f->first + i));
	block_unlock(m->u, b);
	return err;
}

static int enter_blocks(struct file_map *m)
{
	size_t left = m->len >> MM_PAGE_SHIFT;
	int err = 0;

	m->blocks = sys_alloc(nr_map_blocks(m) * sizeof(*m->blocks));
	if (!m->blocks)
		return -ENOMEM;
	for (size_t k = 0; left && !err; k++) {
		unsigned n = left < MM_BLOCK_PAGES ? (unsigned)left :
						     MM_BLOCK_PAGES;

		err = enter_block(m, k, n);
		left -= n;
	}
	return err;
}

static int add_file_device(struct file_map *m)
{
	struct uhmm_device_desc d = {
		.size = sizeof(d),
		.type = UHMM_MEMORY_DEVICE_PRIVATE,
		.flags = UHMM_DEVICE_CONCURRENT,
		.npages = m->len >> MM_PAGE_SHIFT,
		.ops = &file_ops,
	};
	char name[32];
	unsigned n;

	sys_mutex_lock(&m->u->files.lock);
	n = ++m->u->files.count;
	sys_mutex_unlock(&m->u->files.lock);
	sys_format(name, sizeof(name), "mapped-file-%u", n);
	d.name = name;
	return device_add_file(m->u, &d, m, &m->dev);
}

/* The pages of the block at @at that are still the file's. */
static struct mm_set pages_left(struct file_map *m, uintptr_t at)
{
	struct block *b = block_find(m->u, at);
	struct mm_set ret;

	set_clear(&ret);
	if (!b)
		return ret;
	block_lock(b);
	if (block_file(b))
		ret = block_file(b)->set;
	block_unlock(m->u, b);
	return ret;
}

/*
 * The next run of pages that are still the file's, from @start on: the program
 * may have unmapped a part.
 */
static bool next_run(struct file_map *m, uintptr_t *start, uintptr_t *end)
{
	uintptr_t at = *start, last = m->va + m->len;
	struct mm_set left = pages_left(m, at);
	bool any = false;

	for (; at < last; at += MM_PAGE_SIZE) {
		unsigned i = page_index(at);
		bool has;

		if (!i)
			left = pages_left(m, at);
		has = set_has(&left, i);
		if (has && !any)
			*start = at;
		if (any && !has)
			break;
		any = any || has;
	}
	*end = at;
	return any;
}

/* The event of munmap(2) makes the core forget the pages, as ever. */
static void unmap_runs(struct file_map *m)
{
	uintptr_t start = m->va, end;

	for (; next_run(m, &start, &end); start = end)
		sys_room_cut(start, end - start);
	if (m->u->mm->ops->sync)
		m->u->mm->ops->sync(m->u->mm);
	sys_room_unmap(&m->room);
}

static void free_map(struct file_map *m)
{
	sys_file_close(&m->file);
	sys_free(m->blocks, nr_map_blocks(m) * sizeof(*m->blocks));
}

/* Nobody but this thread knows the addresses yet. */
static int manage_room(struct file_map *m)
{
	int err = enter_blocks(m);

	if (!err)
		err = range_take_in(m->u, m->va, m->va + m->len, true);
	return err ? err : sys_room_open(&m->room, file_is_writable(m));
}

static int map_room(struct file_map *m)
{
	int err = sys_room_map(&m->room, m->len, MM_BLOCK_SIZE);

	if (err)
		return err;
	m->va = m->room.va;
	err = manage_room(m);
	if (!err)
		return 0;
	sys_room_cut(m->va, m->len);
	if (m->u->mm->ops->sync)
		m->u->mm->ops->sync(m->u->mm);
	core_unmap(m->u, m->va, m->va + m->len); /* if it was not managed yet */
	sys_room_unmap(&m->room);
	return err;
}

int do_file_map(struct file_map *m, int fd)
{
	int err;

	if (!m->u->mm->ops->protect)
		return -EOPNOTSUPP;
	err = sys_file_open(&m->file, fd, file_is_writable(m),
			    m->flags & UHMM_FILE_CACHED);
	if (err)
		return err;
	err = add_file_device(m);
	if (err)
		goto err_close;
	err = file_measure(m);
	if (!err)
		err = map_room(m);
	if (err)
		goto err_device;
	enlist_map(m);
	return 0;

err_device:
	do_remove(m->dev);
err_close:
	free_map(m);
	return err;
}

/* ---- Unmap --------------------------------------------------------------- */

/* -ENOMEM: the kernel could not unmap all of it. */
static int end_map(struct file_map *m)
{
	uintptr_t start = m->va, end;

	unmap_runs(m);
	if (next_run(m, &start, &end))
		return -ENOMEM;
	delist_map(m);
	do_remove(m->dev);
	free_map(m);
	sys_free(m, sizeof(*m));
	return 0;
}

static bool is_map_pinned(struct file_map *m)
{
	uintptr_t at = m->va, end = m->va + m->len, last;

	for (; block_next(m->u, &at, end); at = last) {
		last = block_part_end(at, end);
		if (range_is_pinned(m->u, at, last))
			return true;
	}
	return false;
}

int do_file_unmap(struct uhmm *u, uintptr_t addr)
{
	struct file_map *m = file_find(u, addr, 1);
	int err;

	if (!m || m->va != addr)
		return -EINVAL;
	if (is_map_pinned(m))
		return -EBUSY;
	err = file_sync(m, m->va, m->va + m->len, true);
	return err ? err : end_map(m);
}

static int end_at_close(struct file_map *m)
{
	int err = file_sync(m, m->va, m->va + m->len, true);

	if (err)
		sys_logf(&m->u->log, SYS_ERR,
			 "a mapped file is not written back: %s; what was "
			 "stored in it since is lost",
			 sys_error(err));
	delist_map(m);
	unmap_runs(m);
	sys_file_close(&m->file);
	return err;
}

/* The devices go with the context; so do blocks that could not be unmapped. */
int file_end_all(struct uhmm *u)
{
	int ret = 0;

	while (u->files.first)
		ret = end_at_close(u->files.first) ? -EIO : ret;
	return ret;
}
