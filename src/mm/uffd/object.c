/* SPDX-License-Identifier: MIT */
/* object.c - objects are made, mapped and ended; see object.h */
#include "mm/uffd/object.h"

#include <errno.h>
#include <sys/mman.h>

#include "sys/fds.h"
#include "sys/memfd.h"

enum {
	TRIES = 10000,
	RW = PROT_READ | PROT_WRITE,
	MODE = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
};

/* The caller holds the lock of the table. */
static struct uffd_object *object_at_locked(struct uffd_objects *t,
					    uintptr_t va)
{
	for (unsigned i = 0; i < UFFD_MAX_OBJECTS; i++)
		if (t->o[i].va && va - t->o[i].va < t->o[i].len)
			return &t->o[i];
	return NULL;
}

struct uffd_object *uffd_object_at(const struct uffd *b, uintptr_t va)
{
	struct uffd_objects *t = uffd_objects_of(b);
	struct uffd_object *found;

	if (!t)
		return NULL;
	sys_mutex_lock(&t->lock);
	found = object_at_locked(t, va);
	sys_mutex_unlock(&t->lock);
	return found;
}

bool uffd_object_next(const struct uffd *b, uintptr_t start, uintptr_t end,
		      uintptr_t *ret_start, uintptr_t *ret_end)
{
	struct uffd_objects *t = uffd_objects_of(b);
	uintptr_t first = end, last = end;

	if (!t)
		return false;
	sys_mutex_lock(&t->lock);
	for (unsigned i = 0; i < UFFD_MAX_OBJECTS; i++) {
		const struct uffd_object *o = &t->o[i];

		if (!o->va || o->va >= first || o->va + o->len <= start)
			continue;
		first = o->va > start ? o->va : start;
		last = o->va + o->len < end ? o->va + o->len : end;
	}
	sys_mutex_unlock(&t->lock);
	*ret_start = first;
	*ret_end = last;
	return first < end;
}

bool uffd_is_object(struct mm *mm, uintptr_t va)
{
	return uffd_object_at(to_uffd(mm), va) != NULL;
}

/* ---- Create ---- */

int uffd_objects_make(struct uffd *b)
{
	struct uffd_objects *t;
	int ret = 0;

	sys_mutex_lock(&b->event_lock);
	if (!uffd_objects_of(b)) {
		t = sys_alloc(sizeof(*t));
		atomic_store_explicit(&b->objects, t, memory_order_release);
		ret = t ? 0 : -ENOMEM;
	}
	sys_mutex_unlock(&b->event_lock);
	return ret;
}

/*
 * No child has it.  No huge pages: where the kernel cannot split one, a hole in
 * it is a part that is there and reads as zeroes.  The call fails where there
 * are none at all.
 */
int uffd_object_own(uintptr_t start, size_t len)
{
	sys_madvise(start, len, MADV_NOHUGEPAGE);
	return sys_madvise(start, len, MADV_DONTFORK);
}

/*
 * Map the whole file at a block aligned address.  A core dump has the data in
 * the views.
 */
static int map_whole(int fd, size_t len, uintptr_t *ret)
{
	uintptr_t va = (uintptr_t)sys_reserve(len, MM_BLOCK_SIZE);
	uintptr_t at;
	int err;

	if (!va)
		return -ENOMEM;
	err = sys_map_file(va, len, RW, MAP_SHARED | MAP_FIXED, fd, 0, &at);
	if (!err)
		err = uffd_object_own(va, len);
	if (!err)
		err = sys_munlock(va, len);
	if (err) {
		sys_free((void *)va, len);
		return err;
	}
	sys_madvise(va, len, MADV_DONTDUMP);
	*ret = va;
	return 0;
}

void uffd_object_unmap(struct uffd_object *o)
{
	if (o->va)
		sys_free((void *)o->va, o->len);
	if (o->alias)
		sys_free((void *)o->alias, o->len);
	if (uffd_is_adopted(o))
		sys_token_close(&o->token);
	sys_close(o->fd);
}

static int make(size_t len, struct uffd_object *ret)
{
	int err = 0;

	*ret = (struct uffd_object){ .len = len };
	ret->fd = sys_fd_keep(sys_memfd("uhmm", len), SYS_FD_FAR);
	if (ret->fd < 0)
		return ret->fd;
	err = sys_inode(ret->fd, &ret->inode);
	if (!err)
		err = map_whole(ret->fd, len, &ret->alias);
	if (!err)
		err = map_whole(ret->fd, len, &ret->va);
	if (err)
		uffd_object_unmap(ret);
	return err;
}

static int list_object(struct uffd_objects *t, const struct uffd_object *o)
{
	int ret = -ENOSPC;

	sys_mutex_lock(&t->lock);
	for (unsigned i = 0; i < UFFD_MAX_OBJECTS && ret; i++) {
		if (t->o[i].va)
			continue;
		t->o[i] = *o;
		ret = 0;
	}
	sys_mutex_unlock(&t->lock);
	return ret;
}

int uffd_object_list(struct uffd *b, struct uffd_object *o)
{
	int ret = sys_fds_hold();

	if (!ret)
		ret = list_object(uffd_objects_of(b), o);
	if (ret)
		uffd_object_unmap(o);
	return ret;
}

int uffd_object_create(struct mm *mm, size_t len, uintptr_t *ret_va)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object o;
	int ret;

	if (!b->has.object)
		return -EOPNOTSUPP;
	ret = uffd_objects_make(b);
	if (!ret)
		ret = make(len, &o);
	if (!ret)
		ret = uffd_object_list(b, &o);
	if (ret)
		return ret;
	*ret_va = o.va;
	return 0;
}

/* ---- Map ---- */

/*
 * Addresses with a guard behind them, and nothing else that the program could
 * know of yet: nobody can touch it before it is registered and known.
 */
static int map_hidden(const struct uffd_object *o, uint64_t offset, size_t len,
		      bool own, uintptr_t *ret)
{
	int flags = MAP_FIXED | (own ? MAP_PRIVATE : MAP_SHARED);
	uintptr_t at;
	int err = sys_mmap(0, len + MM_PAGE_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ret);

	if (err)
		return err;
	err = sys_map_file(*ret, len, PROT_NONE, flags, o->fd, offset, &at);
	if (!err)
		err = uffd_object_own(*ret, len);
	if (!err)
		err = sys_munlock(*ret, len);
	if (err)
		sys_munmap(*ret, len + MM_PAGE_SIZE);
	return err;
}

/*
 * As in uffd_track(), no event that was raised before may be in flight.  When
 * the view is in the table, the gate is closed once more: a freeze that did not
 * know of the view has ended then.
 */
static int make_known(struct uffd *b, struct uffd_object *o, uintptr_t start,
		      size_t len, uintptr_t va)
{
	bool settled = false;
	int ret = 0;

	for (int i = 0; i < TRIES && !ret && !settled; i++) {
		if (i)
			sys_yield();
		sys_mutex_lock(&b->event_lock);
		uffd_drain(b);
		uffd_inline_changed(b);
		ret = uffd_register(b->u, start, len, MODE);
		settled = !uffd_is_changing(b);
		if (!ret && settled)
			ret = uffd_view_add(b, o, start, start + len, va, true);
		if (!ret && settled) /* see uffd_show_replaced() */
			sys_madvise(start, len, MADV_DONTFORK);
		if (!ret && settled)
			uffd_ranges_add(b, start, start + len);
		uffd_drain(b);
		uffd_inline_changed(b);
		sys_mutex_unlock(&b->event_lock);
	}
	if (!ret && !settled)
		ret = -EBUSY;
	return ret;
}

/* Never seen by the program. */
static void forget_view(struct uffd *b, uintptr_t start, size_t len)
{
	uffd_unregister(b->u, start, len);
	uffd_ranges_del(b, start, start + len);
	sys_munmap(start, len + MM_PAGE_SIZE);
	sys_mutex_lock(&b->event_lock);
	uffd_view_cut(b, start, start + len);
	sys_mutex_unlock(&b->event_lock);
}

int uffd_object_map(struct mm *mm, uintptr_t va, size_t len, int prot, bool own,
		    uintptr_t *ret_view)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object *o = uffd_object_at(b, va);
	uintptr_t start;
	int ret;

	if (!o)
		return -EINVAL;
	ret = map_hidden(o, va - o->va, len, own, &start);
	if (ret)
		return ret;
	ret = make_known(b, o, start, len, va);
	if (!ret)
		ret = sys_mprotect(start, len, prot);
	if (ret) {
		forget_view(b, start, len);
		return ret;
	}
	*ret_view = start;
	return 0;
}

int uffd_punch(const struct uffd_object *o, uintptr_t va, size_t len)
{
	if (uffd_is_adopted(o))
		return sys_madvise(o->alias + (va - o->va), len, MADV_REMOVE);
	return sys_punch(o->fd, va - o->va, len);
}

/*
 * Under the lock, so that the object does not end meanwhile: another thread may
 * get its addresses and its descriptor then.
 */
int uffd_object_punch(struct mm *mm, uintptr_t va, size_t npages)
{
	struct uffd_objects *t = uffd_objects_of(to_uffd(mm));
	const struct uffd_object *o;
	int ret = -EINVAL;

	if (!t)
		return ret;
	sys_mutex_lock(&t->lock);
	o = object_at_locked(t, va);
	if (o)
		ret = uffd_punch(o, va, npages * MM_PAGE_SIZE);
	sys_mutex_unlock(&t->lock);
	return ret;
}

/* ---- The end ---- */

/* A view is the program's alone from now on. */
static void let_go(struct uffd *b, const struct uffd_view *v)
{
	size_t len = v->end - v->start;

	uffd_untrack(&b->mm, v->start, v->end, NULL, NULL);
	sys_madvise(v->start, len, MADV_DOFORK);
	sys_mutex_lock(&b->event_lock);
	uffd_view_cut(b, v->start, v->end);
	sys_mutex_unlock(&b->event_lock);
}

void uffd_object_destroy(struct mm *mm, uintptr_t va)
{
	struct uffd *b = to_uffd(mm);
	struct uffd_object *o = uffd_object_at(b, va);
	struct uffd_object gone;
	struct uffd_view v;

	if (!o)
		return;
	while (uffd_view_any(b, o, &v))
		let_go(b, &v);
	sys_mutex_lock(&uffd_objects_of(b)->lock);
	gone = *o;
	/* A thread that found it before finds nothing to hide or to show. */
	*o = (struct uffd_object){ .fd = -1, .shown = true };
	sys_mutex_unlock(&uffd_objects_of(b)->lock);
	uffd_object_unmap(&gone);
}

/* The registrations have ended.  In a child nothing of it is mapped. */
void uffd_objects_close(struct uffd *b)
{
	struct uffd_objects *t = uffd_objects_of(b);
	bool dead = atomic_load(&b->dead);

	if (!t)
		return;
	for (unsigned i = 0; i < t->nr_views && !dead; i++) {
		struct uffd_view *v = &t->view[i];

		sys_madvise(v->start, v->end - v->start, MADV_DOFORK);
		if (v->guard)
			sys_munmap(v->end, MM_PAGE_SIZE);
	}
	for (unsigned i = 0; i < UFFD_MAX_OBJECTS; i++) {
		if (!t->o[i].va)
			continue;
		if (dead && uffd_is_adopted(&t->o[i]))
			sys_token_child(&t->o[i].token);
		uffd_object_unmap(&t->o[i]);
	}
	sys_free(t, sizeof(*t));
	atomic_store(&b->objects, NULL);
}
