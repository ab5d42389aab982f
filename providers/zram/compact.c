// SPDX-License-Identifier: MIT
/*
 * compact.c - objects move out of sparse chunks, see store.h.
 *
 * A class has at most one source, a chunk that its objects move out of: its
 * emptiest one.  The source gives no room to new objects.  A place from which
 * an object moved stays as it is, since the object may be read there, until
 * the whole chunk is empty and its readers have left (chunk.c).
 *
 * An object is held before it moves.  If its owner frees it meanwhile, the
 * mover frees both places.  An object that its owner does not know of yet, or
 * has freed and not yet returned, stays; the chunk is a source again later.
 */
#include <string.h>

#include "store_int.h"

#define MAX_ROOM	 16u   /* of the used bytes, 1/N may be room */
#define MAX_ROOM_FREEING 5u    /* as MAX_ROOM, for a call that frees */
#define SLACK		 4096u /* and so many bytes more */
#define MOVES_A_FREE	 4u    /* most objects moved for each freed one */
#define MOVES_MAX	 16u   /* and in one call */
#define NR_LOOKS	 64u   /* places examined in one call */
#define NR_LIMBO	 64u   /* most chunks that wait for readers */

static bool is_wasteful(const struct store_class *class, uint64_t part)
{
	uint64_t room = (class->carved - class->used) * class->size;

	return room > class->used * class->size / part + SLACK;
}

/*
 * Do the objects of the chunk fit into others, or is there memory for one more
 * chunk?
 */
static bool fits_elsewhere(struct store *s, const struct store_class *class,
			   const struct store_chunk *chunk)
{
	uint64_t mine = (uint64_t)chunk->used - chunk->moved;
	uint64_t here = (uint64_t)chunk->carved - mine;

	return class->carved - class->used - here >= mine ||
	       atomic_load(&s->resident) + STORE_CHUNK <= s->limit;
}

static bool choose_source(struct store *s, struct store_class *class)
{
	uint32_t nr = class->carving;

	if (class->has_groups)
		nr = class->groups[__builtin_ctz(class->has_groups)];
	if (!nr || atomic_load(&s->nr_limbo) >= NR_LIMBO ||
	    !fits_elsewhere(s, class, &s->chunks[nr]))
		return false;
	chunk_unlink(s, class, nr);
	if (class->carving == nr)
		class->carving = 0;
	class->source = nr;
	class->cursor = 0;
	return true;
}

/* Stop compacting the source; the objects left in it stay. */
static void end_source(struct store *s, struct store_class *class)
{
	uint32_t nr = class->source;

	class->source = 0;
	chunk_link(s, class, nr);
}

/* False: there is no room for the object. */
static bool move_object(struct store *s, struct store_class *class,
			void *object, uint32_t owner)
{
	struct store_user *user = &s->user;
	void *to = object_take(s, class, owner);

	if (!to)
		return false;
	if (!user->hold(user->arg, owner, object)) {
		object_put(s, class, to);
		return true;
	}
	memcpy(to, object, class->size - sizeof(uint32_t));
	if (class->size == STORE_MAX)
		memcpy(to, object, class->size);
	if (!user->moved(user->arg, owner, object, to)) {
		object_put(s, class, to);
		object_put(s, class, object);
		return true;
	}
	*object_owner(s, class, object) = OWNER_NONE;
	s->chunks[class->source].moved++;
	class->used--;
	chunk_drop_if_empty(s, class, class->source);
	return true;
}

/* Examine the next place of the source. */
static void move_next(struct store *s, struct store_class *class,
		      uint64_t *moves)
{
	uint32_t nr = class->source;
	struct store_chunk *chunk = &s->chunks[nr];
	unsigned char *object;
	uint32_t owner;

	if (class->cursor == chunk->carved) {
		end_source(s, class);
		return;
	}
	object = chunk_memory(s, nr) + (size_t) class->cursor++ * class->size;
	owner = *object_owner(s, class, object);
	if (owner == OWNER_NONE)
		return;
	--*moves;
	if (!move_object(s, class, object, owner)) {
		end_source(s, class);
		*moves = 0;
	}
}

static void compact(struct store *s, struct store_class *class, uint64_t moves,
		    uint64_t looks, uint64_t part)
{
	for (; moves && looks; looks--) {
		if (!class->source &&
		    (!is_wasteful(class, part) || !choose_source(s, class)))
			return;
		move_next(s, class, &moves);
	}
}

void class_compact(struct store *s, struct store_class *class)
{
	compact(s, class, 1, NR_LOOKS, MAX_ROOM);
}

void class_compact_freed(struct store *s, struct store_class *class,
			 unsigned freed)
{
	unsigned moves = freed * MOVES_A_FREE;

	compact(s, class, moves < MOVES_MAX ? moves : MOVES_MAX, NR_LOOKS,
		MAX_ROOM_FREEING);
}

void store_squeeze(struct store *s)
{
	for (uint32_t i = 0; i < s->nr_classes; i++) {
		struct store_class *class = &s->classes[i];

		store_lock(&class->lock);
		class_drain(s, class);
		compact(s, class, UINT64_MAX, 2 * class->carved, UINT64_MAX);
		store_unlock(&class->lock);
		chunk_reap(s);
	}
}
