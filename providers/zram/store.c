// SPDX-License-Identifier: MIT
/*
 * store.c - small objects in chunks, see store.h.
 *
 * A class's lock covers its groups, its chunks' fields, the owners of its
 * objects and the links in its free objects.
 */
#include "store.h"

#include <errno.h>
#include <sys/mman.h>

#include <uhmm/provider.h>

#include "../touched.h"
#include "store_int.h"

#define BIG_CLASS     (8 * STORE_CHUNK) /* larger than many chunks */
#define PER_CHUNK_MIN (STORE_CHUNK / STORE_MAX)

static uint64_t round_to_pages(uint64_t bytes)
{
	return (bytes + uhmm_page_size() - 1) &
	       ~(uint64_t)(uhmm_page_size() - 1);
}

/* ---- Groups of a class ---- */

/* STORE_GROUPS: in no group, as the chunk is full or closed to new objects. */
static uint8_t group_of(const struct store_class *class,
			const struct store_chunk *chunk, uint32_t nr)
{
	if (nr == class->carving || nr == class->source)
		return STORE_GROUPS;
	return (uint8_t)(chunk->used * STORE_GROUPS / class->per_chunk);
}

void chunk_link(struct store *s, struct store_class *class, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];
	uint32_t first;

	chunk->group = group_of(class, chunk, nr);
	if (chunk->group == STORE_GROUPS)
		return;
	first = class->groups[chunk->group];
	atomic_store_explicit(&chunk->next, first, memory_order_relaxed);
	chunk->prev = 0;
	if (first)
		s->chunks[first].prev = nr;
	class->groups[chunk->group] = nr;
	class->has_groups |= 1u << chunk->group;
}

void chunk_unlink(struct store *s, struct store_class *class, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];
	uint32_t next;

	if (chunk->group == STORE_GROUPS)
		return;
	next = atomic_load_explicit(&chunk->next, memory_order_relaxed);
	if (chunk->prev)
		atomic_store_explicit(&s->chunks[chunk->prev].next, next,
				      memory_order_relaxed);
	else
		class->groups[chunk->group] = next;
	if (next)
		s->chunks[next].prev = chunk->prev;
	if (!class->groups[chunk->group])
		class->has_groups &= ~(1u << chunk->group);
	chunk->group = STORE_GROUPS;
}

/* The number of objects in use, or carved, has changed. */
static void regroup(struct store *s, struct store_class *class, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];

	if (group_of(class, chunk, nr) == chunk->group)
		return;
	chunk_unlink(s, class, nr);
	chunk_link(s, class, nr);
}

/* The fullest chunk with a free object, else the one being carved, else 0. */
static uint32_t chunk_with_room(struct store *s, struct store_class *class)
{
	uint64_t bytes = class->carved * class->size;
	struct store_chunk *chunk;

	if (class->has_groups)
		return class->groups[31 - __builtin_clz(class->has_groups)];
	if (class->carving)
		return class->carving;
	class->carving = chunk_get(s, bytes > BIG_CLASS);
	if (!class->carving)
		return 0;
	chunk = &s->chunks[class->carving];
	chunk->class = (uint16_t)(class - s->classes);
	chunk->used = chunk->moved = chunk->carved = chunk->free = 0;
	chunk->group = STORE_GROUPS;
	if (class->per_chunk == PER_CHUNK_MIN)
		touched_add(&s->owned,
			    (uint64_t) class->carving * PER_CHUNK_MIN, 0);
	return class->carving;
}

void chunk_drop_if_empty(struct store *s, struct store_class *class,
			 uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];

	if (chunk->used != chunk->moved)
		return;
	chunk_unlink(s, class, nr);
	if (class->carving == nr)
		class->carving = 0;
	if (class->source == nr)
		class->source = 0;
	class->carved -= chunk->carved;
	chunk_drop(s, nr);
}

/* ---- Objects ---- */

static uint16_t *link_of(unsigned char *object)
{
	return (uint16_t *)(void *)object;
}

/*
 * At the end of the object's place.  An object of a whole page leaves no room
 * there, so its owner is in @owners.
 */
uint32_t *object_owner(struct store *s, const struct store_class *class,
		       void *object)
{
	size_t offset = (size_t)((unsigned char *)object - s->memory);

	if (class->per_chunk == PER_CHUNK_MIN)
		return &s->owners[offset / STORE_MAX];
	return (uint32_t *)(void *)((unsigned char *)object + class->size) - 1;
}

/* Cut a new object from the chunk; NULL: there is no memory. */
static unsigned char *carve(struct store *s, struct store_class *class,
			    uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];
	uint32_t end = (chunk->carved + 1u) * class->size;

	if (!chunk_grow(s, chunk, end))
		return NULL;
	chunk->carved++;
	class->carved++;
	if (chunk->carved == class->per_chunk && class->carving == nr)
		class->carving = 0;
	return chunk_memory(s, nr) + end - class->size;
}

void *object_take(struct store *s, struct store_class *class, uint32_t owner)
{
	uint32_t nr = chunk_with_room(s, class);
	struct store_chunk *chunk = &s->chunks[nr];
	unsigned char *object;

	if (!nr)
		return NULL;
	if (chunk->free) {
		object = chunk_memory(s, nr) + (chunk->free - 1u) * class->size;
		chunk->free = *link_of(object);
	} else {
		object = carve(s, class, nr);
	}
	if (!object) {
		chunk_drop_if_empty(s, class, nr);
		return NULL;
	}
	chunk->used++;
	class->used++;
	*object_owner(s, class, object) = owner;
	regroup(s, class, nr);
	return object;
}

void object_put(struct store *s, struct store_class *class, void *object)
{
	uint32_t nr = chunk_of(s, object);
	struct store_chunk *chunk = &s->chunks[nr];
	size_t offset = (size_t)((unsigned char *)object - chunk_memory(s, nr));

	*object_owner(s, class, object) = OWNER_NONE;
	*link_of(object) = chunk->free;
	chunk->free = (uint16_t)(offset / class->size + 1);
	chunk->used--;
	class->used--;
	regroup(s, class, nr);
	chunk_drop_if_empty(s, class, nr);
}

unsigned class_drain(struct store *s, struct store_class *class)
{
	struct store_object *next, *object;
	unsigned n = 0;

	if (!atomic_load_explicit(&class->returned, memory_order_relaxed))
		return 0;
	object = atomic_exchange(&class->returned, NULL);
	for (; object; object = next, n++) {
		next = object->returned;
		object_put(s, class, object);
	}
	return n;
}

/*
 * No object stays in the list of returns for long: a thread that cannot get the
 * lock leaves the list to the lock's holder, which comes here after it has
 * dropped the lock.  All of these accesses are in one total order.
 */
static void settle(struct store *s, struct store_class *class)
{
	while (atomic_load(&class->returned) && store_try_lock(&class->lock)) {
		class_compact_freed(s, class, class_drain(s, class));
		store_unlock(&class->lock);
	}
	chunk_reap(s);
}

static void *alloc(struct store *s, struct store_class *class, uint32_t owner)
{
	void *object;

	store_lock(&class->lock);
	class_drain(s, class);
	object = object_take(s, class, owner);
	class_compact(s, class);
	store_unlock(&class->lock);
	settle(s, class);
	return object;
}

void *store_alloc(struct store *s, size_t len, uint32_t owner)
{
	size_t steps = (len + sizeof(owner) + STORE_STEP - 1) / STORE_STEP;
	struct store_class *class;
	void *object;

	if (steps > STORE_MAX / STORE_STEP)
		steps = STORE_MAX / STORE_STEP;
	class = &s->classes[s->class_of[steps]];
	object = alloc(s, class, owner);
	if (!object) {
		store_squeeze(s);
		object = alloc(s, class, owner);
	}
	return object;
}

void store_free(struct store *s, void *p)
{
	struct store_class *class =
		&s->classes[s->chunks[chunk_of(s, p)].class];
	struct store_object *object = p;

	object->returned = atomic_load(&class->returned);
	while (!atomic_compare_exchange_weak(&class->returned,
					     &object->returned, object))
		;
	settle(s, class);
}

uint64_t store_bytes(struct store *s)
{
	return atomic_load(&s->resident);
}

uint64_t store_ram(struct store *s)
{
	uint64_t nr = atomic_load(&s->nr_fresh) + UINT64_C(1);

	return store_bytes(s) + round_to_pages(nr * sizeof(*s->chunks)) +
	       touched_bytes(&s->owned, sizeof(*s->owners), uhmm_page_size());
}

/* ---- The whole ---- */

/* Lengths of which as many fit into a chunk make one class. */
static void make_classes(struct store *s)
{
	uint32_t per_chunk = 0;

	for (uint32_t i = 1; i <= STORE_MAX / STORE_STEP; i++) {
		struct store_class *class;

		if (STORE_CHUNK / (i * STORE_STEP) != per_chunk) {
			per_chunk = STORE_CHUNK / (i * STORE_STEP);
			class = &s->classes[s->nr_classes++];
			class->per_chunk = per_chunk;
			class->size = STORE_CHUNK / per_chunk & ~15u;
		}
		s->class_of[i] = (uint8_t)(s->nr_classes - 1);
	}
}

static size_t memory_len(const struct store *s)
{
	return (size_t)s->nr_chunks * STORE_CHUNK;
}

static size_t chunks_len(const struct store *s)
{
	return ((size_t)s->nr_chunks + 1) * sizeof(*s->chunks);
}

static size_t owners_len(const struct store *s)
{
	return (size_t)s->nr_chunks * PER_CHUNK_MIN * sizeof(*s->owners);
}

/*
 * The address space to map.  Twice the bytes asked for, as chunks are not
 * always full, and a chunk for each class, but no more than may be used.
 */
static uint64_t arena_bytes(const struct store *s, uint64_t bytes)
{
	bytes = bytes < s->limit / 2 ? 2 * bytes : s->limit;
	return bytes + (uint64_t)s->nr_classes * STORE_CHUNK;
}

int store_init(struct store *s, const struct store_user *user, uint64_t bytes,
	       uint64_t limit)
{
	make_classes(s);
	s->user = *user;
	s->limit = limit;
	s->nr_chunks = (uint32_t)(arena_bytes(s, bytes) / STORE_CHUNK);
	s->memory = uhmm_provider_alloc(memory_len(s));
	s->chunks = uhmm_provider_alloc(chunks_len(s));
	s->owners = uhmm_provider_alloc(owners_len(s));
	if (!s->memory || !s->chunks || !s->owners)
		return -ENOMEM;
	/* count memory, and give it back, in small pages */
	(void)madvise(s->memory, memory_len(s), MADV_NOHUGEPAGE);
	return 0;
}

void store_fini(struct store *s)
{
	if (s->memory)
		uhmm_provider_free(s->memory, memory_len(s));
	if (s->chunks)
		uhmm_provider_free(s->chunks, chunks_len(s));
	if (s->owners)
		uhmm_provider_free(s->owners, owners_len(s));
}
