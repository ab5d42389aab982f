// SPDX-License-Identifier: MIT
/*
 * Counts the memory that the program may touch, and opens the context before
 * the limit is passed.
 *
 * The holder of the lock neither faults nor waits for another thread of the
 * program.  Fault handlers do not take the lock.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "context.h"
#include "mutex.h"
#include "preload.h"
#include "signals.h"

enum state {
	OFF,	  /* no limit */
	WATCHING, /* all memory fits */
	STARTED,  /* the context is open */
	FAILED,	  /* the context could not be opened */
};

static _Atomic int state = OFF;
static _Atomic bool has_reserved; /* @reserved was ever used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock: */
static sigset_t before; /* the signal mask of the lock's holder */
static struct ranges mappings;
static struct ranges reserved; /* mapped without access */
static struct ranges excluded; /* never managed; may lie in arenas */
static struct uhmm *context;
static size_t peak, unmanaged;
static int open_error, why_unmanaged;

static const char *_Atomic barred; /* the call that a filter forbids */
static _Atomic bool is_plain;	   /* rt_sigprocmask(2) is forbidden */
static _Atomic bool is_threaded;   /* there ever was a second thread */

/* Block signals, which libuhmm may not: a handler here would wait for ever. */
static void acquire_manage(void)
{
	inside_enter();
	if (unlikely(atomic_load_explicit(&is_plain, memory_order_relaxed)))
		mutex_lock(&lock);
	else
		mutex_lock_quiet(&lock, &before);
}

static void release_manage(void)
{
	if (unlikely(atomic_load_explicit(&is_plain, memory_order_relaxed)))
		mutex_unlock(&lock);
	else
		mutex_unlock_quiet(&lock, &before);
	inside_leave();
}

bool manage_is_on(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) != OFF;
}

bool manage_is_started(void)
{
	return atomic_load_explicit(&state, memory_order_acquire) == STARTED;
}

/* ---- The context ------------------------------------------------------- */

static void register_range(uintptr_t start, uintptr_t end)
{
	unmanaged += context_register(context, start, end, &why_unmanaged);
}

static int pin_range(uintptr_t start, uintptr_t end)
{
	struct range r;

	if (!reserve_has(start) && !ranges_hit(&mappings, start) &&
	    !shared_next(start, end, &r))
		return -ENOENT;
	return uhmm_pin(context, (void *)start, end - start);
}

static void pin_stack(uintptr_t start, uintptr_t end)
{
	pin_range(start, end);
}

static void exclude(const struct range *r)
{
	uhmm_unregister(context, (void *)r->start, r->end - r->start);
}

static bool may_start(void)
{
	const char *call = atomic_load(&barred);

	if (!call)
		return true;
	open_error = -EPERM;
	atomic_store(&state, FAILED);
	say("memory cannot be managed: the program has a filter that forbids "
	    "%s(2); it goes on without a limit",
	    call);
	return false;
}

/* Open the context and register all memory that was handed out so far. */
static void start(void)
{
	struct range part;

	if (!may_start())
		return;
	open_error = context_open(&context);
	if (open_error) {
		atomic_store(&state, FAILED);
		return;
	}
	stacks_pin(pin_stack);
	robust_pin(pin_range);
	calls_started(context);
	for (size_t i = 0; reserve_part(i, &part); i++)
		register_range(part.start, part.end);
	for (size_t i = 0; i < mappings.nr; i++)
		register_range(mappings.list[i].start, mappings.list[i].end);
	for (size_t i = 0; i < excluded.nr; i++)
		exclude(&excluded.list[i]);
	atomic_store_explicit(&state, STARTED, memory_order_release);
}

/*
 * A handler of the program could fork and find our locks held: block signals.
 * Nor are malloc() and mmap(2) cancellation points.
 */
static void start_quietly(void)
{
	struct quiet old;

	quiet_begin(&old);
	start();
	quiet_end(&old);
}

void manage_with(void (*fn)(struct uhmm *u, const struct range *r),
		 const struct range *r, bool open)
{
	acquire_manage();
	if (open && atomic_load(&state) == WATCHING)
		start_quietly();
	fn(manage_is_started() ? context : NULL, r);
	release_manage();
}

static size_t counted(void)
{
	return reserve_bytes() + mappings.bytes + shared_counted();
}

/* Memory was counted, and the program does not have it yet. */
static void check_limit(void)
{
	if (atomic_load(&state) != WATCHING)
		return;
	if (!budget_allows(counted()))
		start_quietly();
	else if (counted() > peak)
		peak = counted();
}

void manage_check(void)
{
	acquire_manage();
	check_limit();
	release_manage();
}

/* ---- Memory of arenas -------------------------------------------------- */

void *manage_extent(size_t len, size_t align, bool commit)
{
	void *p;

	acquire_manage();
	p = reserve_take(len, align);
	if (p && manage_is_started()) {
		register_range((uintptr_t)p, (uintptr_t)p + len);
	} else if (p && commit) {
		reserve_commit((uintptr_t)p, (uintptr_t)p + len);
		check_limit();
	}
	release_manage();
	return p;
}

static void note_reserved(void (*reserve)(uintptr_t start, uintptr_t end),
			  uintptr_t start_, uintptr_t end)
{
	if (atomic_load(&state) != WATCHING)
		return;
	acquire_manage();
	reserve(start_, end);
	check_limit();
	release_manage();
}

void manage_commit(uintptr_t start_, uintptr_t end)
{
	note_reserved(reserve_commit, start_, end);
}

void manage_decommit(uintptr_t start_, uintptr_t end)
{
	note_reserved(reserve_decommit, start_, end);
}

/* ---- Mappings ---------------------------------------------------------- */

/* The bounds of all mappings so far: other memory mostly lies outside. */
static _Atomic uintptr_t lowest = UINTPTR_MAX, highest;

static void widen(uintptr_t start_, uintptr_t end)
{
	if (start_ < lowest)
		lowest = start_;
	if (end > highest)
		highest = end;
}

void manage_mapped(uintptr_t start_, uintptr_t end)
{
	acquire_manage();
	ranges_remove(&excluded, start_, end);
	widen(start_, end);
	if (!ranges_add(&mappings, start_, end)) {
		unmanaged += end - start_;
		why_unmanaged = -ENOMEM;
	}
	if (manage_is_started())
		register_range(start_, end);
	else
		check_limit();
	release_manage();
}

bool manage_may_populate(size_t len)
{
	bool may;

	acquire_manage();
	may = atomic_load(&state) != STARTED && len <= settings.ram &&
	      budget_allows(counted() + len);
	release_manage();
	return may;
}

void manage_unmapping(uintptr_t start_, uintptr_t end)
{
	acquire_manage();
	ranges_remove(&mappings, start_, end);
	ranges_remove(&reserved, start_, end);
	if (atomic_load(&state) == WATCHING)
		budget_allows(counted()); /* gives back an unused part */
	release_manage();
}

void manage_reserved(uintptr_t start_, uintptr_t end)
{
	acquire_manage();
	ranges_remove(&mappings, start_, end);
	if (ranges_add(&reserved, start_, end))
		atomic_store(&has_reserved, true);
	release_manage();
}

void manage_closed(uintptr_t start_, uintptr_t end)
{
	acquire_manage();
	ranges_remove(&mappings, start_, end);
	release_manage();
}

/* A part that is in @mappings already is opened again: nothing to do. */
void manage_opened(uintptr_t start_, uintptr_t end)
{
	bool is_new;

	if (!atomic_load_explicit(&has_reserved, memory_order_relaxed))
		return;
	acquire_manage();
	is_new = ranges_cover(&reserved, start_, end) &&
		 !ranges_cover(&mappings, start_, end) &&
		 !ranges_hit(&excluded, start_);
	release_manage();
	if (is_new)
		manage_mapped(start_, end);
}

bool manage_has(uintptr_t addr)
{
	bool has;

	acquire_manage();
	has = ranges_hit(&mappings, addr);
	release_manage();
	return has;
}

int manage_pin(uintptr_t start_, uintptr_t end, bool pinned)
{
	int err;

	if (!manage_is_on())
		return -ENOENT;
	/* Wait for the lock: another thread may be starting the context. */
	acquire_manage();
	if (!manage_is_started())
		err = -ENOENT;
	else if (pinned)
		err = pin_range(start_, end);
	else
		err = uhmm_unpin(context, (void *)start_, end - start_);
	release_manage();
	return err;
}

size_t manage_parts(uintptr_t start_, uintptr_t end, struct range *ret,
		    size_t max)
{
	struct range part;
	size_t nr = 0;

	acquire_manage();
	for (size_t i = 0; nr < max && i < mappings.nr; i++)
		nr += range_common(&mappings.list[i], start_, end, &ret[nr]);
	for (size_t i = 0; nr < max && reserve_part(i, &part); i++)
		nr += range_common(&part, start_, end, &ret[nr]);
	release_manage();
	return nr;
}

void manage_exclude(uintptr_t start_, uintptr_t end)
{
	acquire_manage();
	ranges_remove(&mappings, start_, end);
	if (!ranges_add(&excluded, start_, end))
		why_unmanaged = -ENOMEM;
	if (manage_is_started())
		exclude(&(struct range){ start_, end });
	release_manage();
}

bool manage_next(uintptr_t start_, uintptr_t end, struct range *ret)
{
	bool found = false;
	sigset_t old;

	if (end <= lowest || start_ >= highest)
		return false;
	if (mutex_try_quiet(&lock, &old)) {
		found = ranges_next(&mappings, start_, ret);
		mutex_unlock_quiet(&lock, &old);
	}
	return found;
}

/* ---- An early end ------------------------------------------------------- */

static void close_for(const char *what)
{
	context_close(context, what);
	shared_closed();
	context = NULL;
}

void manage_stop(const char *call, bool quiet)
{
	bool started;

	summary_write();
	acquire_manage();
	started = manage_is_started();
	atomic_store(&barred, call);
	if (started)
		close_for("a filter forbids a call");
	if (started || quiet)
		atomic_store(&state, OFF);
	release_manage();
	if (quiet)
		atomic_store(&is_plain, true);
	if (started)
		say("the program has a filter that forbids %s(2): all memory "
		    "came home before, and it goes on without a limit",
		    call);
}

bool manage_pause(void)
{
	bool may;

	acquire_manage();
	may = manage_is_started() && !atomic_load(&is_threaded);
	if (may) {
		close_for("a change of namespaces");
		atomic_store(&state, WATCHING);
	}
	release_manage();
	return may;
}

void manage_resume(void)
{
	acquire_manage();
	if (atomic_load(&state) == WATCHING)
		start_quietly();
	release_manage();
}

void manage_threaded(void)
{
	atomic_store(&is_threaded, true);
}

void manage_state(struct manage_state *ret)
{
	acquire_manage();
	*ret = (struct manage_state){
		.started = manage_is_started(),
		.error = open_error,
		.peak = peak,
		.unmanaged = unmanaged,
		.why = why_unmanaged,
		.u = context,
	};
	release_manage();
}

/*
 * In a forked child: all memory is the child's own and counted from here on.
 * If another thread of the parent held the lock, the lists of ranges may be
 * changed by half and are dropped.
 */
void manage_forked(void)
{
	enum state was = atomic_load(&state);

	if (!mutex_trylock(&lock)) {
		mappings = (struct ranges){ .nr = 0 };
		excluded = (struct ranges){ .nr = 0 };
		reserved = (struct ranges){ .nr = 0 };
	}
	mutex_reset(&lock);
	devices_forget();
	uses_reset();
	peak = unmanaged = 0;
	atomic_store(&is_threaded, false);
	stacks_forked();
	calls_forked();
	robust_forked();
	aio_forked();
	shared_forked();
	nofork_child(manage_unmapping);
	budget_forked(counted(), was == STARTED);
	if (was == STARTED && uhmm_inherit(context, &context) == 0) {
		uses_set(context);
		return;
	}
	context = NULL;
	uses_set(NULL);
	calls_started(NULL);
	if (was != OFF && was != FAILED)
		was = settings.follow_fork ? WATCHING : OFF;
	atomic_store(&state, was);
}

/* If devices_open() fails, pages at home stay, and the limit is exceeded. */
void manage_forked_late(void)
{
	int err = context ? devices_open(context) : 0;

	if (context) {
		stacks_pin(pin_stack);
		robust_pin(pin_range);
	}
	if (err)
		say("process %d has no devices: %s; it goes on without a limit",
		    (int)getpid(), strerrordesc_np(-err));
}

void manage_init(void)
{
	if (!settings.ram)
		return;
	budget_init();
	atomic_store(&state, WATCHING);
}
