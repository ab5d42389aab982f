// SPDX-License-Identifier: MIT
/*
 * worker.c - threads that make the calls of OpenCL; see cl.h.
 *
 * @state goes IDLE - POSTED - DONE - IDLE.  The posting thread waits for DONE.
 *	@state is a plain word and a futex, so that signal handlers may post
 *	as well.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cl.h"

enum {
	IDLE,
	POSTED,
	DONE,
};

void word_wait(_Atomic uint32_t *word, uint32_t is)
{
	int saved = errno;

	while (atomic_load(word) == is)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, is, NULL, NULL, 0);
	errno = saved;
}

void word_wake(_Atomic uint32_t *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

static void set(struct worker *w, uint32_t state)
{
	atomic_store(&w->state, state);
	word_wake(&w->state);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	worker_fn *fn;

	for (;;) {
		uint32_t state = atomic_load(&w->state);

		if (state != POSTED) {
			word_wait(&w->state, state);
			continue;
		}
		fn = w->fn;
		if (fn)
			fn(w->arg);
		set(w, DONE);
		if (!fn)
			return NULL;
	}
}

int worker_start(struct worker *w, const char *name)
{
	sigset_t all, old;
	int err;

	/* This thread must run none of the application's handlers. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -ENOMEM;
	(void)pthread_setname_np(w->thread, name);
	return 0;
}

void worker_do(struct worker *w, worker_fn *fn, void *arg)
{
	w->fn = fn;
	w->arg = arg;
	set(w, POSTED);
	while (atomic_load(&w->state) != DONE)
		word_wait(&w->state, POSTED);
	atomic_store(&w->state, IDLE);
}

void worker_stop(struct worker *w)
{
	worker_do(w, NULL, NULL);
	pthread_join(w->thread, NULL);
}

/* ---- The one that stays ------------------------------------------------ */

int root_do(worker_fn *fn, void *arg)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct worker root;
	static pid_t pid;
	int err = 0;

	if (pid && pid != getpid())
		return -ENODEV;
	pthread_mutex_lock(&lock);
	if (!pid)
		err = worker_start(&root, "uhmm-cl-root");
	if (!err) {
		pid = getpid();
		worker_do(&root, fn, arg);
	}
	pthread_mutex_unlock(&lock);
	return err;
}
