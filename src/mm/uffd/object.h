/* SPDX-License-Identifier: MIT */
/*
 * object.h - memory that several mappings share.
 *
 * DOC: Objects
 *
 * An object is a memfd of our own, or shared anonymous memory that the program
 * made, and that was adopted.  It is mapped in three ways:
 *
 *	at its own address	tracked.  The client knows this one, nobody
 *				touches it, and pages come home there: it is
 *				the one mapping that never goes
 *	at the alias		not registered.  Pages are copied from here
 *				while no view can be written to
 *	at its views		registered as what is tracked is.  The program
 *				uses these, and the client never hears of them
 *
 * What is missing in the file is missing in each mapping.  So a page is taken
 * by making it a hole, and is home everywhere as soon as the file has it; views
 * need nothing then but that the threads that wait in them are woken.
 *
 * DOC: Taking
 *
 * A page is protected in each view (and stores fault from there on), copied by
 * the alias into its frame, and punched out of the file.  Then the protection
 * is lifted: the page is missing, and a touch faults.  So protection never
 * lasts longer than one call of freeze(), and a fault at a protected page only
 * has to lift it.  All these steps run in the gate, so that no view is mapped,
 * unmapped or moved unseen meanwhile, see "Order" in uffd.h.  A view that can
 * grow without an event (mremap(2), where nothing lies behind it) would be one
 * that is not protected: hence a page behind each that nobody can use, the
 * guard.  Where there is none, and the object does not end there, its pages
 * stay.
 *
 * A page is put back by UFFDIO_COPY, which fills it before anybody can see it.
 * A write by the alias or by write(2) would not.
 *
 * No process but this one has an object of our own: its mappings are
 * MADV_DONTFORK, and the descriptor is given to nobody.
 *
 * DOC: Adopted memory
 *
 * There is no descriptor: the mover punches pages out by MADV_REMOVE of the
 * alias, and mincore(2) of the alias says what is there.  That call does not
 * tell what was swapped out from what never was there, so a page that is not
 * there stays as it is.
 *
 * Children of fork(2) share it, and what is away would read as zeroes in them.
 * So an adopted object is in one of two states.  It begins as
 *
 *	shown	a child gets the views, and the token (sys/token.h).  No page
 *		leaves
 *	hidden	the views are MADV_DONTFORK, so that a process made past
 *		fork(2)'s handlers gets SIGSEGV.  Pages may leave
 *
 * The first freeze hides it, if the token says that no child has it.  fork(2)
 * shows it, after all pages have come home.
 */
#ifndef UHMM_UFFD_OBJECT_H
#define UHMM_UFFD_OBJECT_H

#include "mm/uffd/uffd.h"
#include "sys/token.h"

enum {
	UFFD_MAX_OBJECTS = 128,
	UFFD_MAX_VIEWS = 512,	/* of all objects */
	UFFD_OBJECT_VIEWS = 64, /* of one */
};

/*
 * @va: its own address, 0: free
 * @fd: -1: it is adopted
 * @inode: by which its mappings are known
 * @base: adopted: the offset of its first byte in its file
 * @lost: a view was mapped that did not fit in the table
 * @entered: adopted: its views are in the table
 * @shown: adopted: children get the views; by the lock of the table
 * @partly: it is shown, but the token or a view is not; by that lock, too
 * @asked_ns: when the token said last that others have it
 */
struct uffd_object {
	uintptr_t va, alias;
	size_t len;
	int fd;
	uint64_t inode, base;
	_Atomic bool lost, entered;
	bool shown, partly;
	struct sys_token token;
	uint64_t asked_ns;
};

/*
 * @va: the object's own address of what is at @start
 * @guard: a page at the end is ours
 */
struct uffd_view {
	uintptr_t start, end, va;
	struct uffd_object *o;
	bool guard;
};

/*
 * @lock: taken in the gate with a block locked, or in event_lock; before
 * maps_lock and the locks of sys/.  Held over madvise(2) of all views.
 */
struct uffd_objects {
	struct sys_mutex lock;
	unsigned nr_views;
	struct uffd_object o[UFFD_MAX_OBJECTS];
	struct uffd_view view[UFFD_MAX_VIEWS];
};

/* The part of a run of pages that each view has. */
struct uffd_view_list {
	unsigned nr;
	struct uffd_range v[UFFD_OBJECT_VIEWS];
};

static inline bool uffd_is_adopted(const struct uffd_object *o)
{
	return o->fd < 0;
}

/* The object's own address for what @vma begins with, or 0. */
static inline uintptr_t uffd_object_va(const struct uffd_object *o,
				       const struct uffd_vma *vma)
{
	uint64_t at = vma->offset - o->base;

	return at < o->len ? o->va + at : 0;
}

/* NULL: there has been none yet. */
static inline struct uffd_objects *uffd_objects_of(const struct uffd *b)
{
	return atomic_load_explicit(&b->objects, memory_order_acquire);
}

/* ---- object.c: their life ---- */

/* The object that has @va as an address of its own, or NULL. */
struct uffd_object *uffd_object_at(const struct uffd *b, uintptr_t va);
bool uffd_is_object(struct mm *mm, uintptr_t va);
/* The first part of [start, end) that is an object's, or false. */
bool uffd_object_next(const struct uffd *b, uintptr_t start, uintptr_t end,
		      uintptr_t *ret_start, uintptr_t *ret_end);
int uffd_object_create(struct mm *mm, size_t len, uintptr_t *ret_va);
void uffd_object_destroy(struct mm *mm, uintptr_t va);
int uffd_object_map(struct mm *mm, uintptr_t va, size_t len, int prot, bool own,
		    uintptr_t *ret_view);
int uffd_object_punch(struct mm *mm, uintptr_t va, size_t npages);
/* Punch out a part of @o. */
int uffd_punch(const struct uffd_object *o, uintptr_t va, size_t len);
/* The first one makes the table, and it stays. */
int uffd_objects_make(struct uffd *b);
/* Enter @o in the table.  What cannot be entered is unmapped. */
int uffd_object_list(struct uffd *b, struct uffd_object *o);
/* Make a mapping one of ours: the object's own address, or the alias. */
int uffd_object_own(uintptr_t start, size_t len);
void uffd_object_unmap(struct uffd_object *o);
/* Of a context that is closed, or dead. */
void uffd_objects_close(struct uffd *b);

/* ---- object_view.c: views come and go ---- */

/* -ENOSPC.  @guard: it has one. */
int uffd_view_add(struct uffd *b, struct uffd_object *o, uintptr_t start,
		  uintptr_t end, uintptr_t va, bool guard);
/* [start, end) of views is gone. */
void uffd_view_cut(struct uffd *b, uintptr_t start, uintptr_t end);
bool uffd_object_mapped(struct mm *mm, uintptr_t va);
/* Any view of @o, or false. */
bool uffd_view_any(struct uffd *b, const struct uffd_object *o,
		   struct uffd_view *ret);
/* Where [va, va + len) is.  Return: false when that is not known for sure. */
bool uffd_view_list(struct uffd *b, uintptr_t va, size_t len,
		    struct uffd_view_list *ret);
int uffd_object_find(struct mm *mm, uintptr_t addr, size_t len,
		     uintptr_t *ret_va);
bool uffd_is_view(struct uffd *b, uintptr_t addr);
/* Also finds views that could not be entered in the table: asks the kernel. */
bool uffd_is_shared(struct uffd *b, uintptr_t addr);
/* Events, in event_lock.  Return: whether it was about a view. */
bool uffd_view_remap(struct uffd *b, uintptr_t from, uintptr_t to, size_t len);
/* The client's fault(), for what may be in a view. */
enum mm_outcome uffd_fault(struct uffd *b, uintptr_t addr, unsigned flags);

/* Register what is mapped there, and enter it in the table. */
int uffd_view_enter(struct uffd *b, struct uffd_object *o,
		    const struct uffd_vma *vma);
/* The object of a mapping, or NULL. */
struct uffd_object *uffd_object_of(struct uffd *b, const struct uffd_vma *vma);

/* ---- object_adopt.c: memory of the program's becomes an object ---- */

int uffd_object_adopt(struct mm *mm, uintptr_t addr, uintptr_t *ret_va,
		      size_t *ret_len);
int uffd_object_enter(struct mm *mm, uintptr_t va);

/* ---- object_fork.c: which children have an object ---- */

/*
 * Hide @o, if it is not hidden.  The caller is in the gate.  Return: false:
 * others have it, or may have.
 */
bool uffd_object_hide(struct uffd *b, struct uffd_object *o);
int uffd_object_show(struct mm *mm, uintptr_t va);
bool uffd_object_alone(struct mm *mm, uintptr_t va);

/* ---- object_move.c: pages go out ---- */

int uffd_object_freeze(struct uffd *b, struct uffd_object *o,
		       struct mm_freeze *f);
int uffd_object_resident(const struct uffd_object *o, uintptr_t va,
			 unsigned first, unsigned last, struct mm_set *ret);
/* In each mapping but the alias. */
int uffd_object_protect(struct uffd *b, uintptr_t va, size_t len, bool on);
void uffd_object_wake(struct uffd *b, uintptr_t va, size_t len);

#endif
