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
 * Chunks that became sparse are *compacted*: each call that finds more room in
 * a class than a sixteenth of what is used moves a few objects out of the
 * class's emptiest chunk (compact.c).  So there is little more waste than that
 * whenever no call is under way; no thread is needed for it, and no call takes
 * long.
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
#define STORE_STEP    32u    /* object lengths are looked up in such steps */
#define STORE_MAX     4096u  /* largest object */
#define STORE_GROUPS  16u    /* chunks with room, by how full they are */
#define STORE_CLASSES 96u
#define STORE_READERS 128u
#define STORE_OWNERS  0xfffffff0u

struct store_object;

/*
 * @next, @prev: in its group, or (next) on a stack
 * @resident: bytes from its start that have memory, as far as we know
 * @used: objects that are not free, those that moved away among them
 * @moved: objects that moved away; their places are not used again
 * @carved: objects ever handed out; the first so many have been
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

/* Fields without a word are by the lock. */
struct store_class {
	_Alignas(64) _Atomic uint32_t lock;
	uint32_t size;		       /* of an object; constant */
	uint32_t per_chunk;	       /* objects; constant */
	uint32_t has_groups;	       /* a bit for each that is not empty */
	uint32_t groups[STORE_GROUPS]; /* first chunk of each, or 0 */
	uint32_t carving;	       /* chunk handed out last, or 0 */
	uint32_t source;	       /* chunk being compacted, or 0 */
	uint32_t cursor;	       /* the next object there */
	uint64_t used, carved;	       /* objects in use, places cut */
	struct store_object *_Atomic returned;
};

/* A stack of chunks: its first one, and a count against reuse (ABA). */
typedef _Atomic uint64_t store_stack;

/*
 * What the user of the store does when an object moves.  Both may be called
 * with a lock of the store held.
 * @hold: true: it is @owner's, and is not freed by store_free() from now on,
 *	until moved()
 * @moved: true: @owner has it at @to from now on; false: it has been given up
 *	meanwhile
 */
struct store_user {
	bool (*hold)(void *arg, uint32_t owner, void *object);
	bool (*moved)(void *arg, uint32_t owner, void *object, void *to);
	void *arg;
};

/*
 * @emptied: chunks to be put away
 * @limbo: chunks that their objects moved out of, but may be read in still
 * @reading: a place for each thread that reads: the object that it reads
 * @nr_unnamed: threads that read and got no place
 */
struct store {
	unsigned char *memory;	    /* chunk i is the i-1-th part */
	struct store_chunk *chunks; /* from 1; 0 means none */
	uint32_t *owners;	    /* of objects that fill their place */
	uint32_t nr_chunks;
	uint32_t nr_classes;
	uint64_t limit;		   /* of resident bytes */
	_Atomic uint64_t owned;	   /* of @owners, those that may be set */
	_Atomic uint32_t nr_fresh; /* chunks ever used */
	_Atomic uint32_t nr_spare;
	_Atomic uint32_t nr_limbo;
	_Atomic uint64_t resident;
	store_stack spare;  /* empty, with memory */
	store_stack vacant; /* empty, without */
	store_stack emptied, limbo;
	_Atomic uint32_t reap_lock, reap_wishes, nr_unnamed;
	struct store_user user;
	uint8_t class_of[STORE_MAX / STORE_STEP + 1];
	struct store_class classes[STORE_CLASSES];
	_Alignas(64) _Atomic uintptr_t reading[STORE_READERS];
};

/*
 * For @bytes of objects at once, but never more memory than @limit.  @s is
 * zeroed.  store_fini() ends it, after a failure too.  Return: 0 or -ENOMEM.
 */
int store_init(struct store *s, const struct store_user *user, uint64_t bytes,
	       uint64_t limit);
void store_fini(struct store *s);

/*
 * @owner: below STORE_OWNERS.  Return: 16-byte aligned; NULL at the limit, or
 * when there is no memory.
 */
void *store_alloc(struct store *s, size_t len, uint32_t owner);
/* Of an object that is not held. */
void store_free(struct store *s, void *object);

/* Around each reading of objects.  Return: for the calls below, may be NULL. */
_Atomic uintptr_t *store_read_begin(struct store *s);
void store_read_end(struct store *s, _Atomic uintptr_t *reading);

/*
 * About to read @object.  Afterwards the caller looks whether the object is
 * still there.  If so, it may be read, until the next call.
 */
static inline void store_read(_Atomic uintptr_t *reading, const void *object)
{
	if (reading)
		atomic_store(reading, (uintptr_t)object);
}

/* Bytes of memory that objects are in. */
uint64_t store_bytes(struct store *s);
/* With the store's own tables. */
uint64_t store_ram(struct store *s);

#endif
