/* SPDX-License-Identifier: MIT */
/*
 * object_adopt.c - shared anonymous memory of the program's becomes an object.
 *
 * A memfd that no descriptor is left of is the same kind of memory.  Nobody can
 * open it, so that mappings of it come from its mappings only.  The
 * caller finds those of this process in the list of all, by inode; events tell
 * of those that are made later.  Another process has them from fork(2), which
 * the caller knows of: see "Adopted memory" in object.h.
 *
 * mremap(2) can show a part of the memory that is mapped nowhere.  So nothing
 * may lie behind the last page that is mapped.  What lies before the first one
 * cannot be shown any more.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/uffd/object.h"
#include "sys/memfd.h"

enum {
	TRIES = 10000,
	RW = PROT_READ | PROT_WRITE,
};

/*
 * The mappings of one file.
 * @of: its inode and device are looked for
 * @own: the object's own mappings are left out, if not NULL
 * @first, @end: offsets of what shared mappings show of it
 * @from: the shared mapping that begins at @first
 * @locked: mlock(2) has locked one
 * @v: one for each mapping; @nr can be more than there are
 */
struct mappings {
	const struct uffd_vma *of;
	const struct uffd_object *own;
	uint64_t first, end;
	uintptr_t from;
	bool locked;
	unsigned nr;
	struct uffd_vma v[UFFD_OBJECT_VIEWS];
};

static bool is_own(const struct uffd_object *o, uintptr_t addr)
{
	return o && (addr - o->va < o->len || addr - o->alias < o->len);
}

static void note_mapping(const struct uffd_vma *vma, void *arg)
{
	struct mappings *m = arg;
	uint64_t end = vma->offset + (vma->end - vma->start);

	if (vma->inode != m->of->inode || vma->dev != m->of->dev ||
	    is_own(m->own, vma->start))
		return;
	if (vma->shared && (!m->from || vma->offset < m->first)) {
		m->first = vma->offset;
		m->from = vma->start;
	}
	if (vma->shared && end > m->end)
		m->end = end;
	m->locked = m->locked || sys_is_locked(vma->start);
	if (m->nr < UFFD_OBJECT_VIEWS)
		m->v[m->nr] = *vma;
	m->nr++;
}

static int find_mappings(struct uffd *b, const struct uffd_vma *of,
			 const struct uffd_object *own, struct mappings *ret)
{
	int err;

	ret->of = of;
	ret->own = own;
	ret->nr = 0;
	ret->from = 0;
	ret->end = 0;
	ret->locked = false;
	err = uffd_each_vma(b, note_mapping, ret);
	if (!err && ret->nr > UFFD_OBJECT_VIEWS)
		err = -ENOSPC;
	return err;
}

/* ---- Its own address, and the alias ---- */

/* Map it whole, at a block aligned address: as for an object of our own. */
static int map_again(const struct mappings *m, size_t len, uintptr_t *ret)
{
	uintptr_t va = (uintptr_t)sys_reserve(len, MM_BLOCK_SIZE);
	int err;

	if (!va)
		return -ENOMEM;
	err = sys_map_again(m->from, va, len);
	if (!err)
		err = uffd_object_own(va, len);
	if (!err)
		err = sys_mprotect(va, len, RW);
	if (err) {
		sys_free((void *)va, len);
		return err;
	}
	sys_madvise(va, len, MADV_DONTDUMP);
	*ret = va;
	return 0;
}

/*
 * Does the memory end with the last page?  The kernel can read that one, and
 * not what lies behind.
 */
static int check_end(const struct mappings *m, size_t len)
{
	ssize_t last, behind;
	uintptr_t p;
	char byte;
	int err = map_again(m, len + MM_PAGE_SIZE, &p);

	if (err)
		return err;
	last = sys_vm_read(&byte, p + len - 1, 1);
	behind = sys_vm_read(&byte, p + len, 1);
	sys_free((void *)p, len + MM_PAGE_SIZE);
	if (last == 1 && behind == 1)
		return -EFBIG;
	return last == 1 && behind == -EFAULT ? 0 : -EOPNOTSUPP;
}

static int make_adopted(const struct mappings *m, struct uffd_object *ret)
{
	size_t len = m->end - m->first;
	int err = check_end(m, len);

	*ret = (struct uffd_object){
		.len = len,
		.fd = -1,
		.inode = m->of->inode,
		.base = m->first,
		.shown = true,
		.token = { .fd = -1 },
	};
	if (!err)
		err = sys_token_open(&ret->token);
	if (!err)
		err = map_again(m, len, &ret->alias);
	if (!err)
		err = map_again(m, len, &ret->va);
	if (err)
		uffd_object_unmap(ret);
	return err;
}

/* The kernel's own files for shared memory are on one device, and no others. */
static int check_memfd(const struct uffd_vma *of)
{
	uint64_t device;
	int ret = sys_memfd_device(&device);

	if (!ret && device != of->dev)
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = sys_memfd_is_open(of->inode);
	return ret > 0 ? -EBUSY : ret;
}

static int find_adoptable(struct uffd *b, uintptr_t addr, struct uffd_vma *ret)
{
	int err = uffd_find_vma(b, addr, ret);

	if (err || ret->start > addr)
		return -ENOMEM;
	if (uffd_objects_of(b) && uffd_object_of(b, ret))
		return -EEXIST;
	if (ret->order || (!ret->zero && !ret->memfd))
		return -EOPNOTSUPP;
	return ret->zero ? 0 : check_memfd(ret);
}

int uffd_object_adopt(struct mm *mm, uintptr_t addr, uintptr_t *ret_va,
		      size_t *ret_len)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object o;
	struct uffd_vma of;
	struct mappings m;
	int ret;

	if (!b->has.object)
		return -EOPNOTSUPP;
	ret = uffd_objects_make(b);
	if (!ret)
		ret = find_adoptable(b, addr, &of);
	if (!ret)
		ret = find_mappings(b, &of, NULL, &m);
	if (!ret && m.locked)
		ret = -EBUSY;
	if (!ret)
		ret = make_adopted(&m, &o);
	if (!ret)
		ret = uffd_object_list(b, &o);
	if (ret)
		return ret;
	*ret_va = o.va;
	*ret_len = o.len;
	return 0;
}

/* ---- Its views ---- */

/* Return: 1: all were known before; 0, -errno.  Caller holds event_lock. */
static int enter_found(struct uffd *b, struct uffd_object *o,
		       const struct mappings *m)
{
	int ret = 1;

	for (unsigned i = 0; i < m->nr && ret >= 0; i++) {
		const struct uffd_vma *vma = &m->v[i];

		if (uffd_is_view(b, vma->start))
			continue;
		ret = uffd_object_va(o, vma) ? uffd_view_enter(b, o, vma) :
					       -EFBIG;
	}
	return ret;
}

/*
 * As in uffd_track(), no event that was raised before may be in flight.  The
 * views are complete when a look finds no other, and nothing is changing.
 */
static int enter_once(struct uffd *b, struct uffd_object *o,
		      const struct uffd_vma *of, struct mappings *m)
{
	int ret;

	uffd_drain(b);
	uffd_inline_changed(b);
	ret = find_mappings(b, of, o, m);
	if (!ret)
		ret = enter_found(b, o, m);
	if (ret == 1 && uffd_is_changing(b))
		ret = 0;
	o->entered = ret == 1;
	uffd_inline_changed(b);
	return ret;
}

int uffd_object_enter(struct mm *mm, uintptr_t va)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object *o = uffd_object_at(b, va);
	struct uffd_vma of;
	struct mappings m;
	int ret;

	if (!o)
		return -EINVAL;
	ret = uffd_find_vma(b, o->alias, &of);
	for (int i = 0; !ret && i < TRIES; i++) {
		if (i)
			sys_yield();
		sys_mutex_lock(&b->event_lock);
		ret = enter_once(b, o, &of, &m);
		sys_mutex_unlock(&b->event_lock);
	}
	return ret > 0 ? 0 : ret ? ret : -EBUSY;
}
