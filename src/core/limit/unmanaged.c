/* SPDX-License-Identifier: MIT */
/*
 * unmanaged.c - memory of the process that is not managed, and counts all the
 * same (UHMM_OPEN_LIMIT_PROCESS).
 *
 * The kernel counts the private and the shared memory of the process.  Without
 * what is managed, what devices keep in RAM, and the library's tables, that is
 * what nobody manages: shared memory, huge pages, small mappings, static data,
 * stacks.  The first UNMANAGED_FREE bytes are free.  The others leave less to
 * the managed pages.
 *
 * Pages move while the kernel is asked, and memory is in use a moment before it
 * is managed.  So the lesser one of two looks counts, and the second look comes
 * soon where the first one found more.
 *
 * To divide shared memory among the processes that have it the kernel walks the
 * page tables.  The demoter asks for that only where there is much of it, and
 * spends a hundredth of its time on it.
 */
#include "core/limit/unmanaged.h"
#include "core/charge/charge.h"
#include "core/context/context.h"
#include "sys/memory.h"

#define WORKING_NS (100 * 1000 * 1000)	/* between two looks, at work */
#define IDLE_NS	   (1000 * 1000 * 1000) /* or asleep */
#define AGAIN_NS   (10 * 1000 * 1000)	/* or when there is more */
#define WALK_SHARE 100
#define SLOWLY	   8

static uint64_t to_pages(uint64_t bytes)
{
	return bytes >> MM_PAGE_SHIFT;
}

static uint64_t rest_of(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t managed_now(const struct uhmm *u)
{
	return charge_total(u) -
	       atomic_load_explicit(&u->policy.unmanaged.counts,
				    memory_order_relaxed);
}

static void note_most(struct unmanaged *n, uint64_t all,
		      const struct sys_memory *m)
{
	uint64_t huge = to_pages(m->huge), shared = to_pages(m->shmem);

	if (all <= atomic_load(&n->most))
		return;
	atomic_store(&n->most, all);
	atomic_store(&n->huge, huge);
	atomic_store(&n->shared, shared < all - huge ? shared : all - huge);
}

/* One look may find too little: the count goes down slowly. */
static void count_rest(struct unmanaged *n, uint64_t pages)
{
	uint64_t counts = atomic_load(&n->counts);

	if (pages < counts)
		pages = counts - (counts - pages + SLOWLY - 1) / SLOWLY;
	atomic_store(&n->counts, pages);
}

/*
 * A forked child begins with its parent's memory, which takes RAM only once and
 * counts there.
 */
void unmanaged_note(struct uhmm *u, const struct sys_memory *m,
		    uint64_t managed)
{
	struct unmanaged *n = &u->policy.unmanaged;
	uint64_t own = to_pages(m->anon) + to_pages(m->shmem), last;

	own = rest_of(own, managed);
	if (!n->is_begun && u->policy.born_with)
		n->born = own;
	n->is_begun = true;
	own = rest_of(own, n->born) + to_pages(m->huge);
	n->grows = own > n->last && own > to_pages(UNMANAGED_FREE);
	last = n->last;
	n->last = own;
	own = own < last ? own : last;
	note_most(n, own, m);
	count_rest(n, rest_of(own, to_pages(UNMANAGED_FREE)));
}

/*
 * Divide shared memory among the processes that have it: by a walk, if one is
 * due, else as the last walk did.
 */
static void weigh(struct unmanaged *n, struct sys_memory *m, uint64_t now)
{
	struct sys_memory walked;

	if (m->shmem > UNMANAGED_FREE &&
	    now - n->weighed >= n->weighing * WALK_SHARE &&
	    !sys_memory_read(true, &walked)) {
		n->weighed = now;
		n->weighing = sys_now_ns() - now;
		n->whole = to_pages(m->shmem);
		n->part = to_pages(walked.shmem);
	}
	if (n->part < n->whole)
		m->shmem = m->shmem / n->whole * n->part;
}

static void look_at_memory(struct uhmm *u, uint64_t now)
{
	uint64_t before = managed_now(u), after;
	struct sys_memory m;

	if (sys_memory_read(false, &m))
		return;
	after = managed_now(u);
	weigh(&u->policy.unmanaged, &m, now);
	unmanaged_note(u, &m, before > after ? before : after);
}

uint64_t unmanaged_look(struct uhmm *u, uint64_t patience)
{
	struct unmanaged *n = &u->policy.unmanaged;
	uint64_t now = sys_now_ns(), next;

	if (!(u->flags & UHMM_OPEN_LIMIT_PROCESS))
		return patience;
	if (!n->looked) { /* what there is, is about to be managed */
		n->looked = now;
		n->grows = true;
	} else if (now - n->looked >= (n->grows ? AGAIN_NS : WORKING_NS)) {
		look_at_memory(u, now);
		n->looked = now;
	}
	next = n->grows ? AGAIN_NS : IDLE_NS;
	return patience && patience < next ? patience : next;
}
