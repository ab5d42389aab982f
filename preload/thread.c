// SPDX-License-Identifier: MIT
/*
 * Threads that are made inside libuhmm stay inside for their whole life.  The
 * dynamic linker's allocations for a thread lie outside managed memory: a fault
 * handler needs them and must not fault.
 *
 * The C library ends the process when its count of threads comes to 0.  Threads
 * of libuhmm leave the count for as long as they run, so a program also ends if
 * its main thread has ended before the others.
 *
 * _exit() ends the program like exit(3): the summary is written.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "preload.h"
#include "real.h"
#include "signals.h"
#include "thread.h"

#define MAX_STARTS 64

struct start {
	_Atomic bool used;
	bool inside;
	uint64_t hidden;
	size_t stack;
	void *(*fn)(void *);
	void *arg;
};

FIND(pthread_create);
FIND(pthread_getattr_np);

static struct start starts[MAX_STARTS];

/* glibc's count; NULL where there is none of the name. */
static _Atomic unsigned *nr_threads;

/* dlsym() finds no symbol of a private version. */
void thread_init(void)
{
	nr_threads = dlvsym(RTLD_NEXT, "__nptl_nthreads", "GLIBC_PRIVATE");
}

static void count_threads(unsigned n)
{
	if (nr_threads)
		atomic_fetch_add(nr_threads, n);
}

/* glibc lowers the count once more, for the end of this thread. */
static void *run_inside(const struct start *s)
{
	void *ret = s->fn(s->arg);

	count_threads(1);
	return ret;
}

/* Copy *@arg, an entry of starts[], and free the entry. */
static void *run(void *arg)
{
	struct start s = *(struct start *)arg;

	atomic_store(&((struct start *)arg)->used, false);
	inside_enter();
	thread.is_library = s.inside;
	if (s.inside)
		return run_inside(&s);
	thread.hidden = s.hidden;
	stacks_enter(__builtin_frame_address(0), s.stack);
	inside_leave();
	return s.fn(s.arg);
}

static struct start *take_start(void)
{
	for (size_t i = 0; i < MAX_STARTS; i++)
		if (!atomic_exchange(&starts[i].used, true))
			return &starts[i];
	return NULL;
}

static int create_thread(pthread_t *t, const pthread_attr_t *attr,
			 void *(*fn)(void *), void *arg, bool is_inside)
{
	struct start *s = take_start();
	int err;

	if (!is_inside)
		stacks_hold(attr);
	if (!s)
		return is_inside ? EAGAIN :
				   REAL(pthread_create)(t, attr, fn, arg);
	s->inside = is_inside;
	s->hidden = thread.hidden;
	s->stack = is_inside ? 0 : stacks_size(attr);
	s->fn = fn;
	s->arg = arg;
	err = REAL(pthread_create)(t, attr, run, s);
	if (err)
		atomic_store(&s->used, false);
	else if (is_inside)
		count_threads(-1u);
	return err;
}

/*
 * libuhmm also makes threads in its handlers of fork(2), which we do not call.
 * There a wait for manage.c's lock would not end: a signal handler may fork
 * after it has interrupted the lock's holder.
 */
EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	bool is_inside = thread.inside ||
			 map_is_own(__builtin_return_address(0));
	int err;

	if (!is_inside)
		manage_threaded();
	inside_enter();
	err = is_inside || manage_is_on() ?
		      create_thread(t, attr, fn, arg, is_inside) :
		      REAL(pthread_create)(t, attr, fn, arg);
	inside_leave();
	return err;
}

/* glibc has the kernel write to memory that this call allocates. */
EXPORT int pthread_getattr_np(pthread_t t, pthread_attr_t *attr)
{
	int err;

	inside_enter();
	err = REAL(pthread_getattr_np)(t, attr);
	inside_leave();
	return err;
}

/* A child made by vfork(2) shares our memory; it writes no summary. */
EXPORT _Noreturn void _exit(int status)
{
	summary_write();
	budget_exit();
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT _Noreturn void _Exit(int status) __attribute__((alias("_exit")));
