/* SPDX-License-Identifier: MIT */
/* object.c - memory that several mappings share; see README.md. */
#include "core/object/object.h"

#include <errno.h>

#include "core/context/context.h"
#include "core/fault/fault.h"
#include "core/fork/gate.h"
#include "core/move/migrate.h"
#include "core/move/range.h"
#include "core/page/block.h"
#include "core/page/page.h"
#include "core/page/region.h"

#define STILL_TRIES 1000

/* ---- All of a context -------------------------------------------------- */

static void enlist_object(struct uhmm_object *o)
{
	struct objects *all = &o->u->objects;

	sys_mutex_lock(&all->lock);
	o->next = all->first;
	all->first = o;
	atomic_fetch_add(&all->nr, 1);
	sys_mutex_unlock(&all->lock);
}

static void delist_object(struct uhmm_object *o)
{
	struct objects *all = &o->u->objects;
	struct uhmm_object **at = &all->first;

	sys_mutex_lock(&all->lock);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	atomic_fetch_sub(&all->nr, 1);
	sys_mutex_unlock(&all->lock);
}

void object_free_all(struct uhmm *u)
{
	while (u->objects.first) {
		struct uhmm_object *o = u->objects.first;

		u->objects.first = o->next;
		sys_free(o, sizeof(*o));
	}
}

/* ---- Addresses of views ------------------------------------------------ */

/* Has the context any object? */
static bool has_objects(struct uhmm *u)
{
	return atomic_load_explicit(&u->objects.nr, memory_order_relaxed);
}

bool object_has(struct uhmm *u, uintptr_t addr)
{
	uintptr_t va;

	return has_objects(u) &&
	       (u->mm->ops->object_find(u->mm, addr, 1, &va) || va ||
		u->mm->ops->is_object(u->mm, addr));
}

/* Does the range overlap the own address of an object? */
static bool overlaps_own(struct uhmm *u, uintptr_t start, size_t len)
{
	uintptr_t s = start, e;

	while (region_next(u, s, start + len, &s, &e)) {
		if (u->mm->ops->is_object(u->mm, s))
			return true;
		s = (s & ~(MM_BLOCK_SIZE - 1)) + MM_BLOCK_SIZE;
	}
	return false;
}

/*
 * The view that the range is in.  A view that another thread is unmapping is
 * none any more, and the program may have other memory there by now: so what is
 * found counts only when no event is under way.
 */
static int find_view(struct uhmm *u, uintptr_t addr, size_t len, uintptr_t *va)
{
	const struct mm_ops *ops = u->mm->ops;
	int err = ops->object_find(u->mm, addr, len, va);

	if ((!err && !*va) || !ops->is_still)
		return err;
	for (unsigned i = 0; i < STILL_TRIES && !ops->is_still(u->mm); i++)
		sys_rest(i, SYS_REST_NS);
	return ops->object_find(u->mm, addr, len, va);
}

int object_request(struct uhmm *u, const struct request **r,
		   struct request *copy, bool refused)
{
	const struct request *was = *r;
	uintptr_t va;
	int err;

	if (!has_objects(u) || !was->addr || !was->len)
		return 0;
	if (u->mm->ops->sync) /* what moved a view before this call is known */
		u->mm->ops->sync(u->mm);
	err = find_view(u, was->addr, was->len, &va);
	if (refused)
		return err || va || overlaps_own(u, was->addr, was->len) ?
			       -EOPNOTSUPP :
			       0;
	if (err || !va)
		return err;
	*copy = *was;
	copy->addr = va;
	*r = copy;
	return 0;
}

/* ---- Bodies ------------------------------------------------------------ */

int object_manage(struct uhmm_object *o, int (*enter)(struct uhmm_object *o))
{
	struct mm *mm = o->u->mm;
	int err;

	enlist_object(o); /* a fault there must find the object */
	err = range_take_in(o->u, o->va, o->va + o->len, true);
	if (!err && enter)
		err = enter(o);
	if (!err)
		return 0;
	mm->ops->object_destroy(mm, o->va);
	delist_object(o);
	return err;
}

int do_object_create(struct uhmm_object *o)
{
	struct mm *mm = o->u->mm;
	int err;

	if (!mm->ops->object_create)
		return -EOPNOTSUPP;
	err = mm->ops->object_create(mm, o->len, &o->va);
	return err ? err : object_manage(o, NULL);
}

int64_t do_object_map(struct uhmm_object *o, uint64_t offset, size_t len,
		      unsigned prot_and_flags)
{
	bool own = prot_and_flags >> 16 & UHMM_OBJECT_PRIVATE;
	int prot = (int)(prot_and_flags & 0xffff);
	struct mm *mm = o->u->mm;
	uintptr_t view;
	int err;

	if (o->adopted)
		return -EOPNOTSUPP;
	err = mm->ops->object_map(mm, o->va + offset, len, prot, own, &view);
	return err ? err : (int64_t)view;
}

/*
 * While this thread is the mover no other thread takes a page out of the block:
 * so no page leaves the range before it is punched out.
 */
static int discard_part(struct uhmm *u, uintptr_t start, uintptr_t end)
{
	struct block *b = block_get(u, start);
	int err;

	if (!b)
		return -ENOMEM;
	gate_enter(u);
	block_take_mover(u, b);
	core_discard(u, start, end);
	err = u->mm->ops->object_punch(u->mm, start,
				       (end - start) >> MM_PAGE_SHIFT);
	block_let_go(u, b);
	gate_leave(u);
	return err;
}

static int discard_range(struct uhmm *u, uintptr_t at, uintptr_t end)
{
	uintptr_t last;
	int err = 0;

	for (; at < end && !err; at = last) {
		last = block_part_end(at, end);
		err = discard_part(u, at, last);
	}
	return err;
}

int do_object_discard(struct uhmm_object *o, uint64_t offset, size_t len)
{
	uintptr_t at = o->va + offset;

	return discard_range(o->u, at, at + len);
}

/* An address that is in no view is that of the call. */
int do_object_remove(struct uhmm *u, uintptr_t va, size_t len)
{
	if (!has_objects(u) || !u->mm->ops->is_object(u->mm, va))
		return -EINVAL;
	return discard_range(u, va, va + len);
}

int do_object_destroy(struct uhmm_object *o)
{
	struct mm *mm = o->u->mm;
	int err;

	if (o->adopted)
		object_drop_left(o);
	err = do_unregister(o->u, o->va, o->len);

	if (err == -EBUSY || err == -ENOMEM)
		return err;
	mm->ops->object_destroy(mm, o->va);
	delist_object(o);
	return err;
}

/* ---- The public calls -------------------------------------------------- */

static bool are_pages(uint64_t offset, size_t len)
{
	return len && !((offset | len) & (MM_PAGE_SIZE - 1));
}

/* Does the object have that part? */
static bool has_part(const struct uhmm_object *o, uint64_t offset, size_t len)
{
	return are_pages(offset, len) && offset <= o->len &&
	       len <= o->len - offset;
}

static int make_object(struct uhmm *u, struct request *req, size_t len,
		       struct uhmm_object **ret_object)
{
	struct uhmm_object *o = sys_alloc(sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	*o = (struct uhmm_object){ .u = u, .len = len };
	req->object = o;
	err = (int)request_run(u, req);
	if (err) {
		sys_free(o, sizeof(*o));
		return err;
	}
	*ret_object = o;
	return 0;
}

int uhmm_object_create(struct uhmm *u, size_t len, unsigned flags,
		       struct uhmm_object **ret_object)
{
	struct request req = { .op = REQ_OBJECT_CREATE };

	if (!u || !ret_object || flags || !are_pages(0, len) ||
	    len > (size_t)1 << 46)
		return -EINVAL;
	return make_object(u, &req, len, ret_object);
}

int uhmm_object_adopt(struct uhmm *u, void *addr, unsigned flags,
		      struct uhmm_object **ret_object)
{
	struct request req = { .op = REQ_OBJECT_ADOPT,
			       .cookie = (uintptr_t)addr };

	if (!u || !ret_object || !addr || flags != UHMM_OBJECT_SOLE)
		return -EINVAL;
	return make_object(u, &req, 0, ret_object);
}

int uhmm_object_is_mapped(struct uhmm_object *object)
{
	struct request req = { .op = REQ_OBJECT_IS_MAPPED, .object = object };

	return object ? (int)request_run(object->u, &req) : -EINVAL;
}

int uhmm_object_map(struct uhmm_object *object, uint64_t offset, size_t len,
		    int prot, unsigned flags, void **ret_addr)
{
	struct request req = { .op = REQ_OBJECT_MAP,
			       .object = object,
			       .cookie = offset,
			       .dpfn = len };
	int64_t ret;

	if (!object || !ret_addr || flags & ~UHMM_OBJECT_PRIVATE || prot & ~7 ||
	    !has_part(object, offset, len))
		return -EINVAL;
	req.flags = (unsigned)prot | flags << 16;
	ret = request_run(object->u, &req);
	if (ret < 0)
		return (int)ret;
	*ret_addr = (void *)(uintptr_t)ret;
	return 0;
}

int uhmm_object_discard(struct uhmm_object *object, uint64_t offset, size_t len)
{
	struct request req = { .op = REQ_OBJECT_DISCARD,
			       .object = object,
			       .cookie = offset,
			       .dpfn = len };

	if (!object || !has_part(object, offset, len))
		return -EINVAL;
	return (int)request_run(object->u, &req);
}

int uhmm_object_remove(struct uhmm *u, void *addr, size_t len)
{
	struct request req = { .op = REQ_OBJECT_REMOVE,
			       .addr = (uintptr_t)addr,
			       .len = len };

	if (!u || !addr || !are_pages((uintptr_t)addr, len))
		return -EINVAL;
	return (int)request_run(u, &req);
}

int uhmm_object_destroy(struct uhmm_object *object)
{
	struct request req = { .op = REQ_OBJECT_DESTROY, .object = object };
	int err;

	if (!object)
		return -EINVAL;
	err = (int)request_run(object->u, &req);
	if (!err || err == -EIO)
		sys_free(object, sizeof(*object));
	return err;
}
