/* SPDX-License-Identifier: MIT */
/*
 * guard.h - which locks a function takes and lets go of, for clang's
 * -Wthread-safety; nothing for other compilers.
 *
 * The block lock and the mover lock are checked: each path through a function
 * lets go of what it took, a function with the name ..._unlock lets go of its
 * caller's lock on each path, and none takes a lock twice.
 */
#ifndef UHMM_GUARD_H
#define UHMM_GUARD_H

#ifdef __clang__
#define GUARD(attribute) __attribute__((attribute))
#else
#define GUARD(attribute)
#endif

#define IS_LOCK		GUARD(capability("mutex"))
#define TAKES(lock)	GUARD(acquire_capability(lock))
#define LETS_GO(lock)	GUARD(release_capability(lock))
#define TRIES_FOR(lock) GUARD(try_acquire_capability(1, lock))
/* The analysis cannot follow: two names for one lock, or one taken again. */
#define NOT_GUARDED GUARD(no_thread_safety_analysis)

#endif
