/* SPDX-License-Identifier: MIT */
/*
 * debug.h - checks of -Ddebug_checks=true: rules that hold at any moment.  A
 * breach of one shows much later, or never on the machine of a developer; here
 * the first breach ends the process with a sentence.  In other builds all of
 * this is nothing.
 *
 * Each lock may be given a rank.  A thread takes ranked locks in rising order,
 * and none of a rank that it holds already.  A lock that is only tried for is
 * free of this, since no thread waits for it.
 */
#ifndef UHMM_DEBUG_H
#define UHMM_DEBUG_H

#include <stdbool.h>

/* In the order of context.h, "Locks". */
enum sys_rank {
	RANK_NONE,
	RANK_FILE,
	RANK_GATE,
	RANK_OBJECTS,
	RANK_MOVER,
	RANK_SITES,
	RANK_KEEPER,
	RANK_EVENT,
	RANK_CHARGE,
	RANK_MIRROR,
	RANK_REGIONS,
	RANK_BLOCK,
	RANK_BIRTH,
	RANK_LEAF,
	RANK_DEVICES,
	RANK_DEVICE,
	NR_RANKS,
};

#ifdef UHMM_DEBUG_CHECKS

#define DEBUG_CHECKS 1

/* Call before this thread waits for @lock, and when it has taken @lock. */
void debug_wants(const void *lock, enum sys_rank rank);
void debug_has(const void *lock, enum sys_rank rank);
void debug_lets_go(const void *lock);
/* In a forked child: the parent's holder of @lock does not exist here. */
void debug_forget(const void *lock);
/* Dies if the thread holds a lock of ranks [@first, @last]. */
void debug_holds_none(enum sys_rank first, enum sys_rank last,
		      const char *what);
__attribute__((format(printf, 1, 2))) _Noreturn void debug_die(const char *fmt,
							       ...);

#else

#define DEBUG_CHECKS 0

static inline void debug_wants(const void *lock, enum sys_rank rank)
{
	(void)lock;
	(void)rank;
}

static inline void debug_has(const void *lock, enum sys_rank rank)
{
	(void)lock;
	(void)rank;
}

static inline void debug_lets_go(const void *lock)
{
	(void)lock;
}

static inline void debug_forget(const void *lock)
{
	(void)lock;
}

static inline void debug_holds_none(enum sys_rank first, enum sys_rank last,
				    const char *what)
{
	(void)first;
	(void)last;
	(void)what;
}

#define debug_die(...) __builtin_unreachable()

#endif

/*
 * In between another thread may read what this one writes.  That thread finds
 * out, and does not use what it read.  For ThreadSanitizer.
 */
#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define debug_race_begins() AnnotateIgnoreWritesBegin(__FILE__, __LINE__)
#define debug_race_ends()   AnnotateIgnoreWritesEnd(__FILE__, __LINE__)
#else
#define debug_race_begins() ((void)0)
#define debug_race_ends()   ((void)0)
#endif

/* In other builds @cond is not computed. */
#define debug_check(cond, ...)                  \
	do {                                    \
		if (DEBUG_CHECKS && !(cond))    \
			debug_die(__VA_ARGS__); \
	} while (0)

#endif
