/* SPDX-License-Identifier: MIT */
/*
 * store.h - small objects of up to a page, packed, for compressed pages.
 *
 * Objects of like size share a *chunk* of 64 KiB.  A *class* is a number of
 * objects to a chunk; its object size is what fills the chunk, so that nothing
 * is left over at the end.  New objects go to the fullest chunk that has room,
 * so that sparse ones run empty; an empty chunk serves any class, and beyond a
 * few its memory goes back to the kernel.  Both calls take constant time.
 *
 * Freeing never waits, so that a signal handler may do it at any moment: an
 * object is put on its class's list of returns.  The next thread that gets the
 * lock of the class, perhaps the freeing one, empties the list.  Allocating
 * takes that lock.
 */
#ifndef ZRAM_STORE_H
#define ZRAM_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_CHUNK  65536u /* bytes */
#define STORE_STEP   32u    /* object lengths are looked up in such steps */
#define STORE_MAX    4096u  /* largest object */
#define STORE_GROUPS 4u	    /* chunks with room, by how full they are */

struct store_object;

/*
 * @next, @prev: in its group, or (next) among chunks without a class
 * @resident: bytes from its start that have memory, as far as we know
 * @carved: objects ever handed out; the first so many have been
 * @free: the first of those that are free again, plus 1
 */
struct store_chunk {
	_Atomic uint32_t next;
	uint32_t prev;
	uint32_t resident;
	uint16_t class;
	uint16_t used;
	uint16_t carved;
	uint16_t free;
	uint8_t group;
};

/* Fields without a word are by the lock. */
struct store_class {
	_Alignas(64) _Atomic uint32_t lock;
	uint32_t size;		       /* of an object; constant */
	uint32_t per_chunk;	       /* objects; constant */
	uint32_t groups[STORE_GROUPS]; /* first chunk of each, or 0 */
	uint32_t carving; /* chunk not yet handed out whole, or 0 */
	struct store_object *_Atomic returned;
};

/* A stack of chunks: its first one, and a count against reuse (ABA). */
typedef _Atomic uint64_t store_stack;

#define STORE_CLASSES 96u

struct store {
	unsigned char *memory;	    /* chunk i is the i-1-th 64 KiB */
	struct store_chunk *chunks; /* from 1; 0 means none */
	uint32_t nr_chunks;
	uint32_t nr_classes;
	uint64_t limit;		   /* of resident bytes */
	_Atomic uint32_t nr_fresh; /* chunks ever used */
	_Atomic uint32_t nr_spare;
	_Atomic uint64_t resident;
	store_stack spare;  /* empty, with memory */
	store_stack vacant; /* empty, without */
	uint8_t class_of[STORE_MAX / STORE_STEP + 1];
	struct store_class classes[STORE_CLASSES];
};

/*
 * For @bytes of objects at once, but never more memory than @limit.  @s is
 * zeroed.  Return: 0 or -ENOMEM.
 */
int store_init(struct store *s, uint64_t bytes, uint64_t limit);
void store_fini(struct store *s);

/* NULL at the limit, or when there is no memory. */
void *store_alloc(struct store *s, size_t len);
void store_free(struct store *s, void *object);

/* Bytes of memory that objects are in. */
uint64_t store_bytes(struct store *s);
/* With the store's own tables. */
uint64_t store_ram(struct store *s);

#endif
