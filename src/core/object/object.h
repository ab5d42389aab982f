/* SPDX-License-Identifier: MIT */
/* object.h - shared memory of the library's own: object.c */
#ifndef UHMM_OBJECT_OBJECT_H
#define UHMM_OBJECT_OBJECT_H

#include <uhmm/object.h>

#include "core/context/dispatch.h"

/* @va: the object's own address; @next: next object of the context */
struct uhmm_object {
	struct uhmm *u;
	uintptr_t va;
	size_t len;
	struct uhmm_object *next;
};

int do_object_create(struct uhmm_object *o);
/* Return: the address, or -errno. */
int64_t do_object_map(struct uhmm_object *o, uint64_t offset, size_t len,
		      unsigned prot_and_flags);
int do_object_discard(struct uhmm_object *o, uint64_t offset, size_t len);
int do_object_destroy(struct uhmm_object *o);
/*
 * If the range of *@r is in a view, build the request for the object's own
 * address in *@copy, and point *@r there.  -EINVAL: only a part of the range is
 * in a view; -EOPNOTSUPP: the call is not for objects.
 */
int object_request(struct uhmm *u, const struct request **r,
		   struct request *copy);
/* Is @addr in a view? */
bool object_has(struct uhmm *u, uintptr_t addr);
/* Free the objects of a context that is being closed. */
void object_free_all(struct uhmm *u);

#endif
