// SPDX-License-Identifier: MIT
/*
 * DOC: fork(2)
 *
 * A child is managed like its parent, with the same limit for itself.  If
 * pages were away libuhmm has a context for it, and it opens devices of its
 * own.  Else it gets all memory as its own, and no context: it opens one when
 * it asks for more memory than the allowance, so that a child that only calls
 * execve(2) pays nothing.
 *
 * Ours is the first handler that the process registers with pthread_atfork(3),
 * and the first one of libuhmm's runs with it: so they run after those of all
 * others before a fork, and before them in the child.  jemalloc takes all its
 * locks before a fork, and a thread that holds one may be about to call
 * libuhmm: had libuhmm taken its own locks already, both would wait for ever.
 *
 * Nothing here waits for a lock of manage.c: in the child it shows whether
 * somebody was changing what it protects.  That is enough, as a fork sees all
 * memory as it is at one moment.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "preload.h"

typedef void handler_fn(void);
typedef int register_fn(handler_fn *, handler_fn *, handler_fn *, void *);

static register_fn *real_register;
static struct {
	handler_fn *prepare, *parent, *child;
} library; /* libuhmm's */

static void prepare(void)
{
	thread.prepared = library.prepare;
	inside_enter();
	nofork_prepare();
	if (thread.prepared)
		library.prepare();
	inside_leave();
}

static void parent(void)
{
	inside_enter();
	if (thread.prepared)
		library.parent();
	nofork_end();
	inside_leave();
}

/* libuhmm may make threads, before jemalloc has its locks back. */
static void child(void)
{
	inside_enter();
	heap_lock(true);
	if (thread.prepared)
		library.child();
	manage_forked();
	nofork_end();
	inside_leave();
}

static void late_child(void)
{
	streams_forked();
	heap_lock(false);
	inside_enter();
	manage_forked_late();
	inside_leave();
}

void fork_late_init(void)
{
	streams_init();
	pthread_atfork(streams_lock, streams_unlock, late_child);
}

/* Where pthread_atfork(3) of any library ends, in jemalloc's constructor too */
int fork_init(void)
{
	if (real_register)
		return 0;
	real_register = (register_fn *)dlsym(RTLD_NEXT, "__register_atfork");
	if (!real_register)
		return ENOSYS;
	return real_register(prepare, parent, child, NULL);
}

int __register_atfork(handler_fn *p, handler_fn *q, handler_fn *r, void *dso);

EXPORT int __register_atfork(handler_fn *p, handler_fn *q, handler_fn *r,
			     void *dso)
{
	int err = fork_init();

	if (err)
		return err;
	if (library.prepare || !map_is_library(__builtin_return_address(0)))
		return real_register(p, q, r, dso);
	library.parent = q;
	library.child = r;
	library.prepare = p;
	return 0;
}
