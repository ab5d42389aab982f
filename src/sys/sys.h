/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the one door to libc and the kernel.
 *
 * Every call returns a result or -errno and leaves errno alone.  Each call
 * marked (F) can be told to fail: see fail.h.  None of them calls malloc(3).
 */
#ifndef UHMM_SYS_H
#define UHMM_SYS_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/format.h"

/* ---- Memory of our own: zeroed pages, never managed, never malloc ---- */

/* (F) @len is rounded up to pages.  NULL when there is none. */
void *sys_alloc(size_t len);
void sys_free(void *p, size_t len);
/* Random bytes, without waiting for them.  -errno: there are none. */
int sys_random(void *p, size_t len);
/* (F) Address space without memory, aligned to @align (a power of two). */
void *sys_reserve(size_t len, size_t align);
/*
 * The first range of our own memory that ends after @addr: memory from the
 * calls above, or a stack of our threads.  Our own memory must never be
 * managed, although it may lie between mappings of the application.
 */
bool sys_own_next(uintptr_t addr, uintptr_t *ret_start, uintptr_t *ret_end);
/* Call first in the child of a fork(2), before the calls above. */
void sys_own_child(void);
/* Bytes of RAM in the machine. */
uint64_t sys_ram_size(void);

/* ---- Threads: all signals but the synchronous ones blocked ---- */

struct sys_thread {
	unsigned long id;
	void *stack;
	size_t stack_len;
};

/*
 * (F) @cpu: pin the thread there, or -1.  The stack is our own and touched.  On
 * return the thread runs: as it begins, it reads the C library's locale, which
 * lies in the heap and may be managed.  So a mover starts no thread, and a
 * thread that serves faults is started before it is needed.
 */
int sys_thread_start(struct sys_thread *t, void (*fn)(void *), void *arg,
		     int cpu, const char *name);
void sys_thread_join(struct sys_thread *t);
int sys_gettid(void);
/* End the process by SIGKILL. */
_Noreturn void sys_die(void);
/* The lower of RLIMIT_AS and RLIMIT_DATA, in bytes. */
uint64_t sys_address_limit(void);
/* CPUs this process may use: count, and the n-th one's number. */
int sys_nr_cpus(void);
int sys_nth_cpu(int n);
void sys_yield(void);
/*
 * Wait until each other thread has been outside the kernel, or asleep, since
 * the call began, and has none of @signals (bit n - 1: n) pending.  Return:
 * false when that could not be seen in time.
 */
bool sys_threads_pass(uint64_t signals, uint64_t timeout_ns);
/* Block all asynchronous signals on this thread; SIGBUS and kin stay. */
void sys_signals_block(uint64_t *ret_old);
void sys_signals_restore(uint64_t old);
/* Restore @old, but keep the signal of pthread_cancel(3) blocked. */
void sys_signals_restore_most(uint64_t old);
/*
 * Disable cancellation in this thread.  A blocked signal would not do: a call
 * of the C library can be a cancellation point, and a library may unblock the
 * signal.  Return: the former state, for sys_cancel_restore(), in which a
 * thread that was cancelled meanwhile ends.
 */
int sys_cancel_block(void);
void sys_cancel_restore(int old);

/* ---- Fork: run these around fork(2), for the life of the process ---- */

/* (F) */
int sys_atfork(void (*prepare)(void), void (*parent)(void),
	       void (*child)(void));

/*
 * Mark this process.  The first call maps a page for the mark, which the kernel
 * wipes in every child, however that was made.  (F)
 */
int sys_mark_process(void);
/* Mark this process, in which the page of the mark is mapped already. */
void sys_remark_process(void);
/* False in a child of fork(2) until the child marks itself.  One load. */
bool sys_is_marked_process(void);

/* ---- Time ---- */

uint64_t sys_now_ns(void);

/* ---- Poll-able events ---- */

int sys_eventfd(void); /* (F) nonblocking, close-on-exec */
void sys_eventfd_set(int fd);
void sys_eventfd_clear(int fd);
/* A kept number that has become another file's is not closed: see fds.h. */
void sys_close(int fd);

/* ---- Environment: NULL under AT_SECURE ---- */

const char *sys_getenv(const char *name);
/*
 * While @frozen, sys_getenv() answers with the value that it last found and
 * does not read the environment: the application may have placed the
 * environment in managed memory.
 */
void sys_freeze_env(bool frozen);

/* ---- Log: no malloc, no stdio, no locale ---- */

typedef void sys_log_fn(void *arg, int level, const char *msg);

/*
 * @fn: NULL: warnings and worse go to stderr
 * @seq: odd while a thread stores @fn and @arg
 */
struct sys_log {
	_Atomic uint32_t seq;
	_Atomic(sys_log_fn *) fn;
	_Atomic(void *) arg;
};

/* A message under way in another thread may still go to the former @fn. */
void sys_log_set(struct sys_log *log, sys_log_fn *fn, void *arg);

/* @err, negative or not, in a few words; never NULL. */
const char *sys_error(int err);

__attribute__((format(printf, 3, 4))) void
sys_logf(const struct sys_log *log, int level, const char *fmt, ...);

enum {
	SYS_ERR = 3,
	SYS_WARN = 4,
	SYS_INFO = 6,
	SYS_DEBUG = 7,
};

/* ---- Copy ---- */

/* Page-aligned runs; non-temporal stores where they pay, fenced. */
void sys_copy(void *dst, const void *src, size_t len);

#endif
