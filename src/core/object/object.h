/* SPDX-License-Identifier: MIT */
/* object.h - memory that several mappings share: object.c, adopted.c */
#ifndef UHMM_OBJECT_OBJECT_H
#define UHMM_OBJECT_OBJECT_H

#include <uhmm/object.h>

#include "core/context/dispatch.h"

/*
 * @va: the object's own address
 * @adopted: the program's memory, which children share
 * @forked: a child has it, or had it when the object was last looked at; by the
 *	lock of the list
 * @next: next object of the context
 */
struct uhmm_object {
	struct uhmm *u;
	uintptr_t va;
	size_t len;
	bool adopted, forked;
	struct uhmm_object *next;
};

int do_object_create(struct uhmm_object *o);
int do_object_adopt(struct uhmm_object *o, uintptr_t addr);
int do_object_is_mapped(struct uhmm_object *o);
/* Return: the address, or -errno. */
int64_t do_object_map(struct uhmm_object *o, uint64_t offset, size_t len,
		      unsigned prot_and_flags);
int do_object_discard(struct uhmm_object *o, uint64_t offset, size_t len);
int do_object_remove(struct uhmm *u, uintptr_t va, size_t len);
int do_object_destroy(struct uhmm_object *o);
/*
 * If the range of *@r is in a view, build the request for the object's own
 * address in *@copy, and point *@r there.  @refused: the call is not for
 * objects, -EOPNOTSUPP.  -EINVAL: only a part of the range is in a view.
 */
int object_request(struct uhmm *u, const struct request **r,
		   struct request *copy, bool refused);
/* Is @addr in a view? */
bool object_has(struct uhmm *u, uintptr_t addr);
/*
 * The backend has made the object: have the context manage it, then call
 * @enter.  If one of these fails, the object is destroyed.  @enter undoes what
 * it did itself; NULL: there is nothing else to do.
 */
int object_manage(struct uhmm_object *o, int (*enter)(struct uhmm_object *o));

/* adopted.c.  No process can touch it any more: drop its data. */
void object_drop_left(struct uhmm_object *o);
/* Around fork(2), with the gate closed: */
/* Bring the pages of adopted objects home. */
void object_settle(struct uhmm *u);
/* Let the child have adopted objects. */
void object_show_all(struct uhmm *u);
/*
 * Count the pages of objects that no child has any more; the watchdog asks.
 * Return: whether there are others.
 */
bool object_look_round(struct uhmm *u);

/* Free the objects of a context that is being closed. */
void object_free_all(struct uhmm *u);

#endif
