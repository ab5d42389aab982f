// SPDX-License-Identifier: MIT
/*
 * --shared=anon: shared anonymous memory is managed.
 *
 * A mapping is adopted before the program knows its address, so that no process
 * has it yet.  libuhmm finds out by itself which mappings mremap(2) makes of
 * that memory; the list of views here is for system calls and advice.
 *
 * An object keeps its memory, so munmap(2) of the last mapping ends the object.
 */
#include <uhmm/object.h>

#include "mutex.h"
#include "preload.h"

#define MAX_OBJECTS 128
#define LEAST	    ((size_t)1 << 20) /* objects are few */

/* Under manage.c's lock: */
static struct uhmm_object *objects[MAX_OBJECTS];
static size_t nr_objects;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ranges views;	 /* under the lock */
static struct ranges others;	 /* mapped and not managed; under the lock */
static _Atomic size_t counted;	 /* bytes of @others */
static _Atomic bool is_used;	 /* there ever was a view, or one of @others */
static _Atomic size_t unmanaged; /* bytes, of all mappings so far */
static _Atomic int why;		 /* the last refusal, -errno */

/* ---- The list of views ------------------------------------------------- */

static bool acquire_views(sigset_t *old)
{
	if (!atomic_load_explicit(&is_used, memory_order_relaxed))
		return false;
	mutex_lock_quiet(&lock, old);
	return true;
}

static bool add_view(uintptr_t start, uintptr_t end)
{
	sigset_t old;
	bool added;

	atomic_store(&is_used, true);
	acquire_views(&old);
	added = ranges_add(&views, start, end);
	mutex_unlock_quiet(&lock, &old);
	return added;
}

/* Return: whether there was any view. */
static bool remove_views(uintptr_t start, uintptr_t end)
{
	struct range first;
	sigset_t old;
	bool any;

	if (!acquire_views(&old))
		return false;
	any = ranges_next(&views, start, &first) && first.start < end;
	if (any)
		ranges_remove(&views, start, end);
	ranges_remove(&others, start, end);
	atomic_store(&counted, others.bytes);
	mutex_unlock_quiet(&lock, &old);
	return any;
}

bool shared_next(uintptr_t start, uintptr_t end, struct range *ret)
{
	struct range r;
	bool found = false;
	sigset_t old;

	if (!atomic_load_explicit(&is_used, memory_order_relaxed))
		return false;
	if (mutex_try_quiet(&lock, &old)) {
		found = ranges_next(&views, start, &r) &&
			range_common(&r, start, end, ret);
		mutex_unlock_quiet(&lock, &old);
	}
	return found;
}

/* ---- Objects ----------------------------------------------------------- */

static void note_unmanaged(size_t bytes, int err)
{
	atomic_fetch_add(&unmanaged, bytes);
	if (err)
		atomic_store(&why, err);
}

/* The kernel's count takes over when the context is open. */
static void count_other(uintptr_t start, uintptr_t end)
{
	sigset_t old;

	if (settings.resident)
		return;
	atomic_store(&is_used, true);
	acquire_views(&old);
	ranges_add(&others, start, end);
	atomic_store(&counted, others.bytes);
	mutex_unlock_quiet(&lock, &old);
	manage_check();
}

size_t shared_counted(void)
{
	return atomic_load(&counted);
}

static void adopt_range(struct uhmm *u, const struct range *r)
{
	struct uhmm_object *o;
	int err = nr_objects == MAX_OBJECTS ? -ENOSPC : -ENODEV;

	if (u && nr_objects < MAX_OBJECTS)
		err = uhmm_object_adopt(u, (void *)r->start, UHMM_OBJECT_SOLE,
					&o);
	if (!err && !add_view(r->start, r->end)) {
		uhmm_object_destroy(o);
		err = -ENOMEM;
	}
	if (err)
		note_unmanaged(r->end - r->start, err);
	else
		objects[nr_objects++] = o;
}

/* End what is mapped nowhere any more. */
static void reap_objects(struct uhmm *u, const struct range *r)
{
	(void)r;
	for (size_t i = 0; u && i < nr_objects;) {
		int err = uhmm_object_is_mapped(objects[i]);

		if (!err)
			err = uhmm_object_destroy(objects[i]);
		if (err && err != -EIO)
			i++;
		else
			objects[i] = objects[--nr_objects];
	}
}

/* ---- What the program does --------------------------------------------- */

bool shared_is_candidate(size_t len, int flags)
{
	const int unwanted = MAP_HUGETLB | MAP_LOCKED | MAP_GROWSDOWN;
	int type = flags & MAP_TYPE;

	return len >= settings.min_size && len >= LEAST &&
	       flags & MAP_ANONYMOUS && !(flags & unwanted) &&
	       (type == MAP_SHARED || type == MAP_SHARED_VALIDATE);
}

void shared_mapped(uintptr_t start, uintptr_t end)
{
	struct range r = { start, end };

	if (settings.shared) {
		manage_with(adopt_range, &r, true);
		return;
	}
	note_unmanaged(end - start, 0);
	count_other(start, end);
}

void shared_replaced(uintptr_t start, uintptr_t end)
{
	if (remove_views(start, end))
		manage_with(reap_objects, NULL, false);
}

void shared_unmapping(uintptr_t start, uintptr_t end, struct shared_parts *ret)
{
	ret->nr = 0;
	for (uintptr_t at = start; ret->nr < SHARED_PARTS &&
				   shared_next(at, end, &ret->part[ret->nr]);
	     at = ret->part[ret->nr - 1].end)
		ret->nr++;
	remove_views(start, end);
}

void shared_unmapped(const struct shared_parts *parts, bool done)
{
	for (size_t i = 0; i < parts->nr && !done; i++)
		add_view(parts->part[i].start, parts->part[i].end);
	if (parts->nr && done)
		manage_with(reap_objects, NULL, false);
}

void shared_added(uintptr_t start, uintptr_t end)
{
	add_view(start, end);
}

bool shared_remove(void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;
	struct range r;

	if (!shared_next(start, start + len, &r))
		return false;
	if (!manage_remove(addr, len))
		return true;
	/* not of one view: the kernel discards what is of none */
	for (size_t at = 0; at < len; at += PAGE)
		manage_remove((char *)addr + at, PAGE);
	return false;
}

void shared_closed(void)
{
	size_t bytes = views.bytes;

	nr_objects = 0;
	if (remove_views(0, UINTPTR_MAX))
		note_unmanaged(bytes, -ENODEV);
}

void shared_forked(void)
{
	if (!mutex_trylock(&lock))
		others = (struct ranges){ .nr = 0 };
	mutex_reset(&lock);
	views = (struct ranges){ .nr = 0 };
	nr_objects = 0;
	atomic_store(&counted, others.bytes);
	atomic_store(&is_used, others.nr);
	atomic_store(&unmanaged, 0);
	atomic_store(&why, 0);
}

size_t shared_unmanaged(int *ret_why)
{
	*ret_why = atomic_load(&why);
	return atomic_load(&unmanaged);
}
