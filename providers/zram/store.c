// SPDX-License-Identifier: MIT
/*
 * store.c - small objects in chunks, see store.h.
 *
 * A class's lock covers its groups, its chunks' fields and the links in its
 * free objects.  Chunks without a class are on two lock-free stacks.
 */
#include "store.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#include <uhmm/provider.h>

#define NR_SPARE_MAX 32u /* empty chunks that keep their memory */
#define NR_SPINS     100

/* What a free object holds. */
struct store_object {
	struct store_object *returned; /* next on the list of returns */
};

static uint64_t in_pages(uint64_t bytes)
{
	return (bytes + UHMM_PAGE_SIZE - 1) & ~(uint64_t)(UHMM_PAGE_SIZE - 1);
}

/* ---- Locks of classes ---- */

static bool try_lock(struct store_class *class)
{
	return !atomic_exchange(&class->lock, 1);
}

static void lock(struct store_class *class)
{
	for (unsigned spins = 1; !try_lock(class); spins++) {
		while (atomic_load_explicit(&class->lock,
					    memory_order_relaxed) &&
		       spins % NR_SPINS)
			spins++;
		if (spins % NR_SPINS == 0)
			sched_yield();
	}
}

static void unlock(struct store_class *class)
{
	atomic_store(&class->lock, 0);
}

/* ---- Stacks of chunks ---- */

static void push(struct store *s, store_stack *stack, uint32_t nr)
{
	uint64_t old = atomic_load(stack);
	uint64_t new;

	do {
		atomic_store(&s->chunks[nr].next, (uint32_t)old);
		new = ((old >> 32) + 1) << 32 | nr;
	} while (!atomic_compare_exchange_weak(stack, &old, new));
}

/* Return: a chunk, or 0. */
static uint32_t pop(struct store *s, store_stack *stack)
{
	uint64_t old = atomic_load(stack);
	uint64_t new;

	do {
		if (!(uint32_t)old)
			return 0;
		/* stale where another was faster; the count shows it */
		new = ((old >> 32) + 1) << 32 |
		      atomic_load(&s->chunks[(uint32_t)old].next);
	} while (!atomic_compare_exchange_weak(stack, &old, new));
	return (uint32_t)old;
}

/* ---- Chunks and their memory ---- */

static unsigned char *chunk_memory(struct store *s, uint32_t nr)
{
	return s->memory + (size_t)(nr - 1) * STORE_CHUNK;
}

static uint32_t chunk_of(struct store *s, const void *object)
{
	size_t offset = (size_t)((const unsigned char *)object - s->memory);

	return (uint32_t)(offset / STORE_CHUNK) + 1;
}

/* Give the memory of an empty chunk back. */
static void vacate(struct store *s, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];

	(void)madvise(chunk_memory(s, nr), STORE_CHUNK, MADV_DONTNEED);
	atomic_fetch_sub(&s->resident, chunk->resident);
	chunk->resident = 0;
	push(s, &s->vacant, nr);
}

static void vacate_spares(struct store *s)
{
	uint32_t nr;

	while ((nr = pop(s, &s->spare))) {
		atomic_fetch_sub(&s->nr_spare, 1);
		vacate(s, nr);
	}
}

static void put_chunk(struct store *s, uint32_t nr)
{
	if (atomic_fetch_add(&s->nr_spare, 1) < NR_SPARE_MAX) {
		push(s, &s->spare, nr);
	} else {
		atomic_fetch_sub(&s->nr_spare, 1);
		vacate(s, nr);
	}
}

/* An empty chunk, or 0. */
static uint32_t get_chunk(struct store *s)
{
	uint32_t nr = pop(s, &s->spare);

	if (nr) {
		atomic_fetch_sub(&s->nr_spare, 1);
		return nr;
	}
	nr = pop(s, &s->vacant);
	if (nr)
		return nr;
	nr = atomic_load(&s->nr_fresh);
	do {
		if (nr == s->nr_chunks)
			return pop(s, &s->vacant);
	} while (!atomic_compare_exchange_weak(&s->nr_fresh, &nr, nr + 1));
	return nr + 1;
}

/* Have memory for the first @bytes of a chunk. */
static bool grow(struct store *s, struct store_chunk *chunk, uint32_t bytes)
{
	uint32_t more;

	bytes = (bytes + STORE_MAX - 1) & ~(STORE_MAX - 1);
	if (bytes <= chunk->resident)
		return true;
	more = bytes - chunk->resident;
	if (atomic_fetch_add(&s->resident, more) + more > s->limit) {
		vacate_spares(s);
		if (atomic_load(&s->resident) > s->limit) {
			atomic_fetch_sub(&s->resident, more);
			return false;
		}
	}
	chunk->resident = bytes;
	return true;
}

/* ---- Groups of a class ---- */

/* STORE_GROUPS: none, being full or still carved. */
static uint8_t group_of(const struct store_class *class,
			const struct store_chunk *chunk)
{
	if (chunk->carved < class->per_chunk)
		return STORE_GROUPS;
	return (uint8_t)(chunk->used * STORE_GROUPS / class->per_chunk);
}

static void link_chunk(struct store *s, struct store_class *class, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];
	uint32_t first;

	chunk->group = group_of(class, chunk);
	if (chunk->group == STORE_GROUPS)
		return;
	first = class->groups[chunk->group];
	atomic_store_explicit(&chunk->next, first, memory_order_relaxed);
	chunk->prev = 0;
	if (first)
		s->chunks[first].prev = nr;
	class->groups[chunk->group] = nr;
}

static void unlink_chunk(struct store *s, struct store_class *class,
			 uint32_t nr)
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
}

/* The number of objects in use, or carved, changed. */
static void regroup(struct store *s, struct store_class *class, uint32_t nr)
{
	if (group_of(class, &s->chunks[nr]) == s->chunks[nr].group)
		return;
	unlink_chunk(s, class, nr);
	link_chunk(s, class, nr);
}

/* The fullest chunk with a free object, else the one being carved, else 0. */
static uint32_t chunk_with_room(struct store *s, struct store_class *class)
{
	struct store_chunk *chunk;

	for (unsigned i = STORE_GROUPS; i-- > 0;) {
		if (class->groups[i])
			return class->groups[i];
	}
	if (class->carving)
		return class->carving;
	class->carving = get_chunk(s);
	if (!class->carving)
		return 0;
	chunk = &s->chunks[class->carving];
	chunk->class = (uint16_t)(class - s->classes);
	chunk->used = chunk->carved = chunk->free = 0;
	chunk->group = STORE_GROUPS;
	return class->carving;
}

static void drop_if_empty(struct store *s, struct store_class *class,
			  uint32_t nr)
{
	if (s->chunks[nr].used)
		return;
	unlink_chunk(s, class, nr);
	if (class->carving == nr)
		class->carving = 0;
	put_chunk(s, nr);
}

/* ---- Objects ---- */

static uint16_t *link_of(unsigned char *object)
{
	return (uint16_t *)(void *)object;
}

/* Under the lock: cut a new object from the chunk being carved, or NULL. */
static unsigned char *carve(struct store *s, struct store_class *class,
			    struct store_chunk *chunk)
{
	uint32_t end = (chunk->carved + 1u) * class->size;

	if (!grow(s, chunk, end))
		return NULL;
	chunk->carved++;
	if (chunk->carved == class->per_chunk)
		class->carving = 0;
	return chunk_memory(s, (uint32_t)(chunk - s->chunks)) + end -
	       class->size;
}

/* Under the lock. */
static void *take_object(struct store *s, struct store_class *class)
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
		object = carve(s, class, chunk);
	}
	if (!object) {
		drop_if_empty(s, class, nr);
		return NULL;
	}
	chunk->used++;
	regroup(s, class, nr);
	return object;
}

/* Under the lock. */
static void put_object(struct store *s, struct store_class *class, void *object)
{
	uint32_t nr = chunk_of(s, object);
	struct store_chunk *chunk = &s->chunks[nr];
	size_t offset = (size_t)((unsigned char *)object - chunk_memory(s, nr));

	*link_of(object) = chunk->free;
	chunk->free = (uint16_t)(offset / class->size + 1);
	chunk->used--;
	regroup(s, class, nr);
	drop_if_empty(s, class, nr);
}

/* Under the lock: take back what was returned. */
static void drain(struct store *s, struct store_class *class)
{
	struct store_object *next, *object;

	object = atomic_exchange(&class->returned, NULL);
	for (; object; object = next) {
		next = object->returned;
		put_object(s, class, object);
	}
}

/*
 * No object stays on the list of returns for long: a thread that cannot get the
 * lock leaves the list to the lock's holder, which comes here after it has
 * dropped the lock (all of these accesses are in one total order).
 */
static void settle(struct store *s, struct store_class *class)
{
	while (atomic_load(&class->returned) && try_lock(class)) {
		drain(s, class);
		unlock(class);
	}
}

void *store_alloc(struct store *s, size_t len)
{
	size_t steps = (len + STORE_STEP - 1) / STORE_STEP;
	struct store_class *class = &s->classes[s->class_of[steps]];
	void *object;

	lock(class);
	if (atomic_load_explicit(&class->returned, memory_order_relaxed))
		drain(s, class);
	object = take_object(s, class);
	unlock(class);
	settle(s, class);
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
	uint64_t table =
		(atomic_load(&s->nr_fresh) + UINT64_C(1)) * sizeof(*s->chunks);

	return store_bytes(s) + in_pages(table);
}

/* ---- The whole ---- */

/* Lengths that go as often into a chunk make one class. */
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

/*
 * The addresses to have: twice the bytes asked for, since chunks are not full
 * all the time, and a chunk for each class; but no more than may be used.
 */
static uint64_t arena_bytes(const struct store *s, uint64_t bytes)
{
	bytes = bytes < s->limit / 2 ? 2 * bytes : s->limit;
	return bytes + (uint64_t)s->nr_classes * STORE_CHUNK;
}

int store_init(struct store *s, uint64_t bytes, uint64_t limit)
{
	make_classes(s);
	s->limit = limit;
	s->nr_chunks = (uint32_t)(arena_bytes(s, bytes) / STORE_CHUNK);
	s->memory = uhmm_provider_alloc(memory_len(s));
	s->chunks = uhmm_provider_alloc(chunks_len(s));
	if (!s->memory || !s->chunks) {
		store_fini(s);
		return -ENOMEM;
	}
	/* memory is counted, and given back, in small pages */
	(void)madvise(s->memory, memory_len(s), MADV_NOHUGEPAGE);
	return 0;
}

void store_fini(struct store *s)
{
	if (s->memory)
		uhmm_provider_free(s->memory, memory_len(s));
	if (s->chunks)
		uhmm_provider_free(s->chunks, chunks_len(s));
}
