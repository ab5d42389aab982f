// SPDX-License-Identifier: MIT
/*
 * DOC: fork(2)
 *
 * A child is managed like its parent, with the same limit for itself.  If pages
 * were away libuhmm makes a context for the child, which opens devices of its
 * own.  Else the child has all of its memory in RAM and no context.  It opens
 * one when it asks for more memory than the allowance, so a child that only
 * calls execve(2) pays nothing.
 *
 * Our handlers are the first that the process registers with pthread_atfork(3),
 * and libuhmm's handlers run inside ours.  So before a fork they run after all
 * others, and in the child before all others.  That order avoids a deadlock:
 * jemalloc takes all its locks before a fork, and a thread that holds one of
 * them may be about to call libuhmm.  If libuhmm had taken its locks first,
 * both threads would wait for ever.
 *
 * No handler waits for manage.c's lock.  A locked lock in the child shows that
 * a thread of the parent was changing the data that the lock protects.  That is
 * enough: the child gets all memory as of one moment.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "preload.h"

typedef void handler_fn(void);
typedef int register_fn(handler_fn *, handler_fn *, handler_fn *, void *);

static register_fn *real_register;
static struct {
	handler_fn *prepare, *parent, *child;
} library; /* libuhmm's handlers */

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

/* jemalloc's locks are still held, and libuhmm may start threads here. */
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

/*
 * The pthread_atfork(3) of every library calls this function: also that of
 * jemalloc's constructor, so ours registers first.
 */
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
