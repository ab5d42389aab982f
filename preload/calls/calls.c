// SPDX-License-Identifier: MIT
/*
 * How memory is brought home for a system call; see calls.h.
 *
 * It may be asked for in a signal handler: nothing here waits for a lock that
 * the interrupted thread could hold.
 */
#include <sched.h>
#include <string.h>

#include "calls/calls.h"

#define MAX_TRIES 64 /* of which each brought something home */
#define NR_CALM	  3  /* and this many that brought nothing */
#define MAX_PAGES 1024

_Atomic bool calls_active;
static _Atomic uint64_t nr_again, nr_held;

void calls_started(struct uhmm *u)
{
	char features[512] = ",";

	if (!u || uhmm_features(u, features + 1, sizeof(features) - 2) < 0)
		features[0] = '\0';
	strcat(features, ",");
	atomic_store_explicit(&calls_active,
			      u && (strstr(features, ",inline,") ||
				    !strstr(features, ",kernel-faults,")),
			      memory_order_release);
}

bool calls_count(uint64_t *ret_again, uint64_t *ret_held)
{
	*ret_again = atomic_load(&nr_again);
	*ret_held = atomic_load(&nr_held);
	return atomic_load(&calls_active);
}

/* ---- Bringing home ----------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * What is there already is not read again: more of it each time, as long as the
 * first of it stays meanwhile.
 */
static ssize_t bring(unsigned n, const struct buf *b)
{
	size_t most = settings.ram / 4 > WINDOW ? settings.ram / 4 : WINDOW;
	size_t len = least(b->len, least(WINDOW << least(n, 12), most));

	if (!b->p || !len)
		return 0;
	/* less where a string or its mapping ends */
	return uhmm_fault_in(manage_context(), b->p, len, b->write);
}

/*
 * Pages that are home leave again if others are wanted sooner: let those have
 * them.  Another thread may have brought home what we found there.
 */
static bool is_worth_it(unsigned n, size_t brought, bool is_bad)
{
	static __thread unsigned calm
		__attribute__((tls_model("initial-exec")));

	if (n == 0)
		calm = 0;
	if (brought)
		calm = 0;
	else if (is_bad || ++calm >= NR_CALM)
		return false;
	return n < MAX_TRIES;
}

bool calls_again(unsigned n, const struct buf *bufs, size_t nr)
{
	size_t brought = 0;
	bool is_bad = false, worth;

	if (!calls_on())
		return false;
	inside_enter();
	if (n)
		sched_yield();
	for (size_t i = 0; i < nr; i++) {
		ssize_t got = bring(n, &bufs[i]);

		brought += got > 0 ? (size_t)got : 0;
		is_bad = is_bad || got < 0;
	}
	worth = is_worth_it(n, brought, is_bad);
	inside_leave();
	if (worth)
		atomic_fetch_add_explicit(&nr_again, 1, memory_order_relaxed);
	errno = worth ? 0 : EFAULT;
	return worth;
}

bool calls_window(unsigned n, const void *p, size_t len, bool write)
{
	return calls_again(n, BUFS({ p, len, write }));
}

bool calls_stopped(const void *p, size_t len, bool write)
{
	ssize_t brought;

	if (!calls_on() || !calls_may_be_away(p, len))
		return false;
	inside_enter();
	brought = bring(0, &(struct buf){ p, len, write });
	inside_leave();
	return brought > 0;
}

/* The array is there once its pages were brought home; it is ours to read. */
bool calls_again_vector(unsigned n, char *const *vector)
{
	bool some = calls_again(n, BUFS({ vector, sizeof(*vector), false }));

	if (!calls_on() || !vector || !some)
		return some;
	inside_enter();
	for (; *vector; vector++)
		bring(n, &(struct buf)STR(*vector));
	inside_leave();
	errno = 0;
	return true;
}

/* ---- Holding ----------------------------------------------------------- */

static size_t page_down(uintptr_t addr)
{
	return addr & ~(PAGE - 1);
}

static bool pin(struct hold *h, uintptr_t start, uintptr_t end)
{
	struct range *last = h->nr ? &h->part[h->nr - 1] : NULL;
	bool joins = last && start <= last->end && start >= last->start;

	if (joins && end <= last->end)
		return true;
	if (joins)
		start = last->end;
	else if (h->nr == MAX_HELD)
		return false;
	if (uhmm_pin(manage_context(), (void *)start, end - start))
		return false;
	if (joins)
		last->end = end;
	else
		h->part[h->nr++] = (struct range){ start, end };
	return true;
}

static bool hold_one(struct hold *h, const struct buf *b)
{
	uintptr_t at = page_down((uintptr_t)b->p);
	size_t len = least(b->len, MAX_PAGES * PAGE);
	uintptr_t end = page_up((uintptr_t)b->p + len);
	struct range part;
	bool all = len == b->len;

	if (!b->p || !b->len || end < at)
		return true;
	for (; at < end && manage_part(at, end, &part); at = part.end) {
		if (pin(h, part.start, part.end))
			uhmm_fault_in(manage_context(), (void *)part.start,
				      part.end - part.start, b->write);
		else
			all = false;
	}
	return all;
}

bool calls_hold(struct hold *h, const struct buf *bufs, size_t nr)
{
	int err = errno;
	bool all = true;

	inside_enter();
	for (size_t i = 0; i < nr; i++)
		all = hold_one(h, &bufs[i]) && all;
	inside_leave();
	if (h->nr)
		atomic_fetch_add_explicit(&nr_held, 1, memory_order_relaxed);
	errno = err;
	return all;
}

void calls_release(struct hold *h)
{
	int err = errno;

	if (likely(!h->nr))
		return;
	inside_enter();
	while (h->nr) {
		const struct range *r = &h->part[--h->nr];

		uhmm_unpin(manage_context(), (void *)r->start,
			   r->end - r->start);
	}
	inside_leave();
	errno = err;
}

bool calls_may_be_away(const void *p, size_t len)
{
	uintptr_t start = page_down((uintptr_t)p);
	uintptr_t end = page_up((uintptr_t)p + len);
	struct range part;
	bool may;

	if (!len || end < start)
		return false;
	inside_enter();
	may = manage_part(start, end, &part);
	inside_leave();
	return may;
}
