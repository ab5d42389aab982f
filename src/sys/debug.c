/* SPDX-License-Identifier: MIT */
/* debug.c - see debug.h; empty without -Ddebug_checks=true */
#include "sys/debug.h"

#ifdef UHMM_DEBUG_CHECKS

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/format.h"

enum {
	MAX_HELD = 16,
	MAX_TEXT = 256,
};

struct held {
	const void *lock;
	enum sys_rank rank;
};

/* A handler of signals that interrupts us leaves both as they were. */
static _Thread_local struct held held[MAX_HELD];
static _Thread_local size_t nr_held;

static const char *name(enum sys_rank rank)
{
	static const char *const names[NR_RANKS] = {
		[RANK_NONE] = "a lock without rank",
		[RANK_FILE] = "the lock of a file",
		[RANK_GATE] = "the gate",
		[RANK_OBJECTS] = "the lock of objects",
		[RANK_MOVER] = "a mover lock",
		[RANK_SITES] = "the lock of sites",
		[RANK_KEEPER] = "the keeper's lock",
		[RANK_EVENT] = "the lock of events",
		[RANK_CHARGE] = "the lock of groups",
		[RANK_MIRROR] = "a mirror's lock",
		[RANK_REGIONS] = "the lock of regions",
		[RANK_BLOCK] = "a block's lock",
		[RANK_BIRTH] = "a birth lock",
		[RANK_LEAF] = "a leaf lock",
		[RANK_DEVICES] = "the lock of devices",
		[RANK_DEVICE] = "a device's lock",
	};

	return names[rank];
}

void debug_die(const char *fmt, ...)
{
	char text[MAX_TEXT];
	size_t len;
	va_list ap;

	len = sys_format(text, sizeof(text), "uhmm: debug check: ");
	va_start(ap, fmt);
	len += sys_vformat(text + len, sizeof(text) - len - 1, fmt, ap);
	va_end(ap);
	text[len++] = '\n';
	if (write(STDERR_FILENO, text, len) < 0)
		abort();
	abort();
}

void debug_wants(const void *lock, enum sys_rank rank)
{
	for (size_t i = 0; i < nr_held; i++) {
		if (held[i].lock == lock)
			debug_die("%s is taken twice", name(rank));
		if (rank && held[i].rank >= rank)
			debug_die("%s is taken under %s", name(rank),
				  name(held[i].rank));
	}
}

void debug_has(const void *lock, enum sys_rank rank)
{
	if (nr_held == MAX_HELD)
		debug_die("%d locks are held at once", MAX_HELD);
	held[nr_held++] = (struct held){ lock, rank };
}

static bool drop_held(const void *lock)
{
	for (size_t i = nr_held; i-- > 0;) {
		if (held[i].lock != lock)
			continue;
		nr_held--;
		for (; i < nr_held; i++)
			held[i] = held[i + 1];
		return true;
	}
	return false;
}

void debug_lets_go(const void *lock)
{
	if (!drop_held(lock))
		debug_die("a thread lets a lock go that it does not hold");
}

void debug_forget(const void *lock)
{
	drop_held(lock);
}

void debug_holds_none(enum sys_rank first, enum sys_rank last, const char *what)
{
	for (size_t i = 0; i < nr_held; i++)
		if (held[i].rank >= first && held[i].rank <= last)
			debug_die("%s under %s", what, name(held[i].rank));
}

#endif
