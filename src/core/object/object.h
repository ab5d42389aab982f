/* SPDX-License-Identifier: MIT */
/* object.h - shared memory of the library's own: object.c */
#ifndef UHMM_OBJECT_OBJECT_H
#define UHMM_OBJECT_OBJECT_H

#include <uhmm/object.h>

#include "core/context/dispatch.h"

/* @va: its own address; @next: of all of a context */
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
 * The request that @r is in truth, in *@copy if it is another: about the
 * object, where it names a view.  -EINVAL: only a part of its range is in one;
 * -EOPNOTSUPP: not for objects.
 */
int object_request(struct uhmm *u, const struct request **r,
		   struct request *copy);
/* Is @addr in a view? */
bool object_has(struct uhmm *u, uintptr_t addr);
/* Of a context that is closed. */
void object_free_all(struct uhmm *u);

#endif
