// SPDX-License-Identifier: MIT
/*
 * Bringing memory home for a system call; see calls.h.
 *
 * A signal handler may ask for it, so nothing here waits for a lock that the
 * interrupted thread could hold.  A handler may leave a call by longjmp(3), or
 * the thread may be cancelled in the call, so signals are blocked while one of
 * our locks or libuhmm's is held.
 */
#include <sched.h>
#include <string.h>

#include "calls/calls.h"

#define MAX_TRIES 64 /* attempts that each brought pages home */
#define NR_CALM	  3  /* in a row that brought nothing: give up */

_Atomic bool calls_active;
static _Atomic uint64_t nr_again;

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
	*ret_held = calls_nr_held();
	return atomic_load(&calls_active);
}

void calls_enter(struct quiet *old)
{
	quiet_begin(old);
	inside_enter();
}

void calls_leave(const struct quiet *old)
{
	inside_leave();
	quiet_end(old);
}

/* ---- Bringing home ----------------------------------------------------- */

/* Bytes that one attempt brings home: more would drive the first out again. */
static size_t most_home(void)
{
	return settings.ram / 4 > WINDOW ? settings.ram / 4 : WINDOW;
}

/*
 * Bring a part of the buffer home that doubles with each attempt @n.  Pages at
 * home are not read again, so a longer buffer costs nothing as long as its
 * first pages stay meanwhile.  @room: what the attempt may bring still; a page
 * of each buffer comes all the same.
 */
static ssize_t bring(unsigned n, const struct buf *b, size_t *room)
{
	size_t most = calls_least(WINDOW << calls_least(n, 12), *room);
	size_t len = calls_least(b->len, most > PAGE ? most : PAGE);

	if (!b->p || !len)
		return 0;
	*room -= calls_least(len, *room);
	/* shorter if the string or its mapping ends */
	return manage_fault_in(b->p, len, b->write);
}

/*
 * Is another attempt worth making?  Pages that came home may leave again while
 * other threads need RAM, so up to MAX_TRIES attempts are made.  An attempt
 * that brought nothing may be repeated as well: another thread may have brought
 * the pages home after the call had failed.
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
	size_t brought = 0, room = most_home();
	bool is_bad = false, worth;
	struct quiet old;

	if (!calls_on())
		return false;
	calls_enter(&old);
	if (n)
		sched_yield();
	for (size_t i = 0; i < nr; i++) {
		ssize_t got = bring(n, &bufs[i], &room);

		brought += got > 0 ? (size_t)got : 0;
		is_bad = is_bad || got < 0;
	}
	worth = is_worth_it(n, brought, is_bad);
	calls_leave(&old);
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
	size_t room = most_home();
	ssize_t brought;
	struct quiet old;

	if (!calls_on() || !calls_may_be_away(p, len))
		return false;
	calls_enter(&old);
	brought = bring(0, &(struct buf){ p, len, write }, &room);
	calls_leave(&old);
	return brought > 0;
}

bool calls_can_read(const void *p, size_t len)
{
	struct quiet old;
	bool can;

	if (!calls_on())
		return false;
	calls_enter(&old);
	can = manage_fault_in(p, len, false) >= 0;
	calls_leave(&old);
	return can;
}

/* After calls_again() the array itself is at home and can be read here. */
bool calls_again_vector(unsigned n, char *const *vector)
{
	bool some = calls_again(n, BUFS({ vector, sizeof(*vector), false }));
	struct quiet old;

	if (!calls_on() || !vector || !some)
		return some;
	calls_enter(&old);
	for (; *vector; vector++) {
		size_t room = STRING;

		bring(n, &(struct buf)STR(*vector), &room);
	}
	calls_leave(&old);
	errno = 0;
	return true;
}

bool calls_may_be_away(const void *p, size_t len)
{
	uintptr_t start = page_down((uintptr_t)p);
	uintptr_t end = page_up((uintptr_t)p + len);
	struct range part;

	return len && start < end && manage_part(start, end, &part);
}
