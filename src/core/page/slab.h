/* SPDX-License-Identifier: MIT */
/* slab.h - small objects of one size, from memory that is never managed. */
#ifndef UHMM_PAGE_SLAB_H
#define UHMM_PAGE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/lock.h"

struct slab_chunk;

/* Ready for use when all members but @size are zero. */
struct slab {
	size_t size;		/* of an object, at least a pointer */
	_Atomic uint64_t bytes; /* of memory, in all */
	struct sys_mutex lock;
	void *free;		   /* list through the objects' first word */
	struct slab_chunk *chunks; /* all of them, for slab_destroy() */
};

/* A zeroed object, or NULL.  Handler threads may call it: no malloc. */
void *slab_alloc(struct slab *s);
void slab_free(struct slab *s, void *obj);
/* Frees every object, freed or not. */
void slab_destroy(struct slab *s);

#endif
