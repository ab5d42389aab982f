/* SPDX-License-Identifier: MIT */
/*
 * real.h - the functions of the libraries behind ours, by the names of ours.
 *
 * All are found at the start.  dlsym() takes the loader's lock: later the first
 * thread to need a function may run a signal handler, or may be a thread of
 * libuhmm that serves a fault of the lock's holder.
 */
#ifndef UHMM_PRELOAD_REAL_H
#define UHMM_PRELOAD_REAL_H

#include <stdatomic.h>

struct real {
	const char *name;
	void *_Atomic fn;
};

/* The linker's table of every FIND() in this library. */
extern struct real real_begin[] __asm__("__start_uhmm_real");
extern struct real real_end[] __asm__("__stop_uhmm_real");

/* Never NULL: what a library lacks answers ENOSYS. */
void *real_find(struct real *r);
void real_init(void);

static inline void *real_fn(struct real *r)
{
	void *fn = atomic_load_explicit(&r->fn, memory_order_relaxed);

	return __builtin_expect(!!fn, 1) ? fn : real_find(r);
}

#define FIND(name)                     \
	static struct real real_##name \
		__attribute__((section("uhmm_real"), used)) = { #name, NULL }

#define REAL(name) ((__typeof__(&(name)))real_fn(&real_##name))

#endif
