/* SPDX-License-Identifier: MIT */
/*
 * store.h - small objects of up to a page, packed, for compressed pages.
 *
 * Objects of like size share a *chunk* of 32 KiB.  A *class* is a number of
 * objects to a chunk; its object size is what fills the chunk, so that nothing
 * is left over at the end.  New objects go to the fullest chunk that has room.
 * An empty chunk serves any class, and beyond a few its memory goes back to the
 * kernel.
 *
 * Chunks that became sparse are *compacted*: a call that finds too much room in
 * a class moves a few objects out of the class's emptiest chunk (compact.c).
 * Too much is a sixteenth of what is used for a call that allocates, and a
 * fifth for one that frees, since a faulting thread may wait for that call.  So
 * there is little more waste than that whenever no call is under way; no thread
 * is needed for it, and no call takes long.
 *
 * Each object has an owner, a number.  The user of the store knows where the
 * objects of an owner are, and is told when one moves.  A thread that reads
 * an object says so: the old place keeps its data until all that may read there
 * have left.
 *
 * Freeing and reading never wait, so that a signal handler may do it at any
 * moment: an object that is freed is put on its class's list of returns.  The
 * next thread that gets the lock of the class, perhaps the freeing one, empties
 * the list.  Allocating takes that lock.
 */
#ifndef ZRAM_STORE_H
#define ZRAM_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_CHUNK   32768u /* bytes */
#define STORE_STEP    32u    /* granularity of object lengths */
#define STORE_MAX     4096u  /* largest object */
#define STORE_GROUPS  16u    /* groups of chunks with room, by fill level */
#define STORE_CLASSES 96u
#define STORE_READERS 128u
#define STORE_OWNERS  0xfffffff0u

struct store_object;

/*
 * @next, @prev: in its group, or (next) on a stack
 * @resident: bytes from its start that have memory, as far as we know
 * @used: objects that are not free, including those that moved away
 * @moved: objects that moved away; their places are not used again
 * @carved: number of objects ever handed out, from the start of the chunk
 * @free: the first of those that are free again, plus 1
 */
struct store_chunk {
	_Atomic uint32_t next;
	uint32_t prev;
	uint32_t resident;
	uint16_t class;
	uint16_t used;
	uint16_t moved;
	uint16_t carved;
	uint16_t free;
	uint8_t group;
};

/* The lock protects each field without a comment. */
struct store_class {
	_Alignas(64) _Atomic uint32_t lock;
	uint32_t size;		       /* bytes of an object; constant */
	uint32_t per_chunk;	       /* objects of a chunk; constant */
	uint32_t has_groups;	       /* a bit for each group with chunks */
	uint32_t groups[STORE_GROUPS]; /* first chunk of each, or 0 */
	uint32_t carving;	       /* chunk handed out last, or 0 */
	uint32_t source;	       /* chunk being compacted, or 0 */
	uint32_t cursor;	       /* the next object in @source */
	uint64_t used, carved;	       /* objects in use, places cut */
	struct store_object *_Atomic returned;
};

/* A stack of chunks: its first one, and a count against reuse (ABA). */
typedef _Atomic uint64_t store_stack;

/*
 * Callbacks of the store's user when an object moves.  Both may be called with
 * a lock of the store held.
 * @hold: true: the object is @owner's, and from now until moved() the user does
 *	not free it with store_free()
 * @moved: true: @owner has the object at @to from now on; false: @owner has
 *	given it up meanwhile
 */
struct store_user {
	bool (*hold)(void *arg, uint32_t owner, void *object);
	bool (*moved)(void *arg, uint32_t owner, void *object, void *to);
	void *arg;
};

/*
 * @emptied: chunks to be put away
 * @limbo: chunks that their objects moved out of, but that may still be read
 * @reading: a place for each reading thread: the object that it reads
 * @nr_unnamed: number of reading threads that got no place
 */
struct store {
	unsigned char *memory;	    /* chunk i is the i-1-th part */
	struct store_chunk *chunks; /* from index 1; 0: none */
	uint32_t *owners;	    /* of objects that fill their place */
	uint32_t nr_chunks;
	uint32_t nr_classes;
	uint64_t limit;		   /* the most resident bytes */
	_Atomic uint64_t owned;	   /* bytes of @owners that may be set */
	_Atomic uint32_t nr_fresh; /* number of chunks ever used */
	_Atomic uint32_t nr_spare;
	_Atomic uint32_t nr_limbo;
	_Atomic uint64_t resident;
	store_stack spare;  /* empty chunks with memory */
	store_stack vacant; /* empty chunks without memory */
	store_stack emptied, limbo;
	_Atomic uint32_t reap_lock, reap_wishes, nr_unnamed;
	struct store_user user;
	uint8_t class_of[STORE_MAX / STORE_STEP + 1];
	struct store_class classes[STORE_CLASSES];
	_Alignas(64) _Atomic uintptr_t reading[STORE_READERS];
};

/*
 * Make a store for @bytes of objects at once, with @limit bytes of memory at
 * most.  The caller zeroes @s.  store_fini() must follow, also after a failure.
 * Return: 0 or -ENOMEM.
 */
int store_init(struct store *s, const struct store_user *user, uint64_t bytes,
	       uint64_t limit);
void store_fini(struct store *s);

/*
 * @owner: below STORE_OWNERS.  Return: 16-byte aligned; NULL at the limit, or
 *	when there is no memory.
 */
void *store_alloc(struct store *s, size_t len, uint32_t owner);
/* Free an object that is not held. */
void store_free(struct store *s, void *object);

/* Around each reading of objects.  Return: for the calls below, may be NULL. */
_Atomic uintptr_t *store_read_begin(struct store *s);
void store_read_end(struct store *s, _Atomic uintptr_t *reading);

/*
 * The caller is about to read @object, and then checks whether the object is
 * still at that place.  If so, it may be read until the next call.
 */
static inline void store_read(_Atomic uintptr_t *reading, const void *object)
{
	if (reading)
		atomic_store(reading, (uintptr_t)object);
}

/* Bytes of memory in use by objects. */
uint64_t store_bytes(struct store *s);
/* As store_bytes(), with the store's own tables. */
uint64_t store_ram(struct store *s);

#endif
