// SPDX-License-Identifier: MIT
/*
 * chunk.c - chunks without a class, and the memory of all chunks; see store.h.
 *
 * These chunks are on lock-free stacks.  A chunk that ran empty is dropped with
 * a lock held.  Giving memory back to the kernel takes longer, so chunk_reap()
 * does that later.
 *
 * Threads may still read in a chunk that was compacted, though its objects have
 * other places by then.  A reader first announces the object, and then checks
 * that the object is still there.  All of these accesses are in one total
 * order.  So either the reader sees the new place, or the reaper sees the
 * announcement.
 */
#include <sched.h>
#include <sys/mman.h>

#include <uhmm/provider.h>

#include "store_int.h"

#define NR_SPARE_MAX  32u /* empty chunks that keep their memory */
#define NR_SPARE_MIN  2u
#define SPARE_SHARE   64u /* 1/N of all chunks, within the bounds */
#define NR_SPINS      100
#define READS_NOTHING ((uintptr_t)1) /* no object yet */

void store_lock(_Atomic uint32_t *lock)
{
	for (unsigned spins = 1; !store_try_lock(lock); spins++) {
		while (atomic_load_explicit(lock, memory_order_relaxed) &&
		       spins % NR_SPINS)
			spins++;
		if (spins % NR_SPINS == 0)
			sched_yield();
	}
}

/* ---- Stacks of chunks ---- */

void chunk_push(struct store *s, store_stack *stack, uint32_t nr)
{
	uint64_t old = atomic_load(stack);
	uint64_t new;

	do {
		atomic_store(&s->chunks[nr].next, (uint32_t)old);
		new = ((old >> 32) + 1) << 32 | nr;
	} while (!atomic_compare_exchange_weak(stack, &old, new));
}

uint32_t chunk_pop(struct store *s, store_stack *stack)
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

/* Take all chunks of the stack, linked.  Return: the first, or 0. */
static uint32_t pop_all(store_stack *stack)
{
	uint64_t old = atomic_load(stack);

	while (!atomic_compare_exchange_weak(stack, &old,
					     ((old >> 32) + 1) << 32))
		;
	return (uint32_t)old;
}

/* ---- Memory ---- */

unsigned char *chunk_memory(struct store *s, uint32_t nr)
{
	return s->memory + (size_t)(nr - 1) * STORE_CHUNK;
}

uint32_t chunk_of(struct store *s, const void *object)
{
	size_t offset = (size_t)((const unsigned char *)object - s->memory);

	return (uint32_t)(offset / STORE_CHUNK) + 1;
}

/* Give the memory of an empty chunk back to the kernel. */
static void vacate(struct store *s, uint32_t nr)
{
	struct store_chunk *chunk = &s->chunks[nr];

	(void)madvise(chunk_memory(s, nr), STORE_CHUNK, MADV_DONTNEED);
	atomic_fetch_sub(&s->resident, chunk->resident);
	chunk->resident = 0;
	chunk_push(s, &s->vacant, nr);
}

/* Vacate spare chunks until @max are left. */
static void vacate_spares(struct store *s, uint32_t max)
{
	uint32_t nr;

	while (atomic_load(&s->nr_spare) > max &&
	       (nr = chunk_pop(s, &s->spare))) {
		atomic_fetch_sub(&s->nr_spare, 1);
		vacate(s, nr);
	}
}

static uint32_t spares_wanted(struct store *s)
{
	uint64_t n = NR_SPARE_MIN +
		     atomic_load(&s->resident) / STORE_CHUNK / SPARE_SHARE;

	return n < NR_SPARE_MAX ? (uint32_t)n : NR_SPARE_MAX;
}

static void put_away(struct store *s, uint32_t nr)
{
	chunk_push(s, &s->spare, nr);
	atomic_fetch_add(&s->nr_spare, 1);
	vacate_spares(s, spares_wanted(s));
}

static uint32_t get_spare(struct store *s)
{
	uint32_t nr = chunk_pop(s, &s->spare);

	if (nr)
		atomic_fetch_sub(&s->nr_spare, 1);
	return nr;
}

static uint32_t get_vacant(struct store *s)
{
	uint32_t nr = chunk_pop(s, &s->vacant);

	if (nr)
		return nr;
	nr = atomic_load(&s->nr_fresh);
	do {
		if (nr == s->nr_chunks)
			return 0;
	} while (!atomic_compare_exchange_weak(&s->nr_fresh, &nr, nr + 1));
	return nr + 1;
}

uint32_t chunk_get(struct store *s, bool with_memory)
{
	uint32_t nr = with_memory ? get_spare(s) : 0;

	if (!nr)
		nr = get_vacant(s);
	if (!nr) {
		vacate_spares(s, 0);
		nr = get_vacant(s);
	}
	return nr;
}

bool chunk_grow(struct store *s, struct store_chunk *chunk, uint32_t bytes)
{
	uint32_t more;

	bytes = (bytes + STORE_MAX - 1) & ~(STORE_MAX - 1);
	if (bytes <= chunk->resident)
		return true;
	more = bytes - chunk->resident;
	if (atomic_fetch_add(&s->resident, more) + more > s->limit) {
		vacate_spares(s, 0);
		if (atomic_load(&s->resident) > s->limit) {
			atomic_fetch_sub(&s->resident, more);
			return false;
		}
	}
	chunk->resident = bytes;
	return true;
}

/* ---- Chunks that ran empty ---- */

void chunk_drop(struct store *s, uint32_t nr)
{
	if (s->chunks[nr].moved) {
		atomic_fetch_add(&s->nr_limbo, 1);
		chunk_push(s, &s->limbo, nr);
	} else {
		chunk_push(s, &s->emptied, nr);
	}
}

/* May a thread still read in the chunk? */
static bool is_read(struct store *s, uint32_t nr)
{
	if (atomic_load(&s->nr_unnamed))
		return true;
	for (unsigned i = 0; i < STORE_READERS; i++) {
		uintptr_t at = atomic_load(&s->reading[i]);

		if (at > READS_NOTHING && chunk_of(s, (void *)at) == nr)
			return true;
	}
	return false;
}

/* Vacate chunks without readers.  The caller holds the reaping lock. */
static void reap_limbo(struct store *s)
{
	uint32_t nr = pop_all(&s->limbo), next;

	for (; nr; nr = next) {
		next = atomic_load(&s->chunks[nr].next);
		if (is_read(s, nr)) {
			chunk_push(s, &s->limbo, nr);
			continue;
		}
		atomic_fetch_sub(&s->nr_limbo, 1);
		put_away(s, nr);
	}
}

static bool has_work(struct store *s)
{
	return (uint32_t)atomic_load_explicit(&s->emptied,
					      memory_order_relaxed) ||
	       atomic_load_explicit(&s->nr_limbo, memory_order_relaxed);
}

/*
 * A thread that cannot get the lock leaves a wish.  The lock's holder looks for
 * wishes after it has dropped the lock, and fulfils them.
 */
void chunk_reap(struct store *s)
{
	uint32_t wishes, nr;

	if (!has_work(s))
		return;
	atomic_fetch_add(&s->reap_wishes, 1);
	do {
		wishes = atomic_load(&s->reap_wishes);
		if (!store_try_lock(&s->reap_lock))
			return;
		while ((nr = chunk_pop(s, &s->emptied)))
			put_away(s, nr);
		reap_limbo(s);
		store_unlock(&s->reap_lock);
	} while (atomic_load(&s->reap_wishes) != wishes);
}

/* ---- Readers ---- */

/* Each thread has its own stack, so mostly also its own place. */
static unsigned place_of(const void *on_stack)
{
	uint64_t page = (uintptr_t)on_stack / uhmm_page_size();

	return (unsigned)(page * UINT64_C(0x9e3779b97f4a7c15) >> 32) %
	       STORE_READERS;
}

_Atomic uintptr_t *store_read_begin(struct store *s)
{
	unsigned first = place_of(&first);

	for (unsigned i = 0; i < STORE_READERS; i++) {
		_Atomic uintptr_t *at =
			&s->reading[(first + i) % STORE_READERS];
		uintptr_t none = 0;

		if (atomic_compare_exchange_strong(at, &none, READS_NOTHING))
			return at;
	}
	atomic_fetch_add(&s->nr_unnamed, 1);
	return NULL;
}

void store_read_end(struct store *s, _Atomic uintptr_t *reading)
{
	if (reading)
		atomic_store(reading, 0);
	else
		atomic_fetch_sub(&s->nr_unnamed, 1);
	chunk_reap(s);
}
