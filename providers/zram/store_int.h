/* SPDX-License-Identifier: MIT */
/*
 * store_int.h - what the files of the store have between them: chunk.c,
 * compact.c and store.c.
 */
#ifndef ZRAM_STORE_INT_H
#define ZRAM_STORE_INT_H

#include "store.h"

/* The contents of a free object. */
struct store_object {
	struct store_object *returned; /* next in the list */
};

/* The owner of a place without an object in use. */
#define OWNER_NONE UINT32_MAX

/* ---- Locks ---- */

static inline bool store_try_lock(_Atomic uint32_t *lock)
{
	return !atomic_exchange(lock, 1);
}

void store_lock(_Atomic uint32_t *lock);

static inline void store_unlock(_Atomic uint32_t *lock)
{
	atomic_store(lock, 0);
}

/* ---- chunk.c: chunks without a class ---- */

unsigned char *chunk_memory(struct store *s, uint32_t nr);
uint32_t chunk_of(struct store *s, const void *object);
void chunk_push(struct store *s, store_stack *stack, uint32_t nr);
/* Return: a chunk, or 0. */
uint32_t chunk_pop(struct store *s, store_stack *stack);
/* An empty chunk, if possible one that has memory; 0: there is none. */
uint32_t chunk_get(struct store *s, bool with_memory);
/* Get memory for the first @bytes of a chunk. */
bool chunk_grow(struct store *s, struct store_chunk *chunk, uint32_t bytes);
/* The chunk has no object any more: chunk_reap() puts it away. */
void chunk_drop(struct store *s, uint32_t nr);
/* Put chunks away.  The caller holds no lock of the store. */
void chunk_reap(struct store *s);

/* ---- store.c: objects of a class; the caller holds its lock ---- */

void *object_take(struct store *s, struct store_class *class, uint32_t owner);
void object_put(struct store *s, struct store_class *class, void *object);
uint32_t *object_owner(struct store *s, const struct store_class *class,
		       void *object);
void chunk_link(struct store *s, struct store_class *class, uint32_t nr);
void chunk_unlink(struct store *s, struct store_class *class, uint32_t nr);
void chunk_drop_if_empty(struct store *s, struct store_class *class,
			 uint32_t nr);

/* ---- compact.c ---- */

/*
 * Move an object of the class, or a few after objects were freed, if the
 * class's chunks have more room than they should.  The caller holds the lock.
 */
void class_compact(struct store *s, struct store_class *class);
void class_compact_freed(struct store *s, struct store_class *class,
			 unsigned freed);
/* Compact all classes until they have hardly any room. */
void store_squeeze(struct store *s);

/* store.c: take back the returned objects.  Return: their number. */
unsigned class_drain(struct store *s, struct store_class *class);

#endif
