// SPDX-License-Identifier: MIT
/*
 * The locks of stdio's streams in fork(2).
 *
 * In the child glibc resets the lock of each stream before any fork handler
 * runs, so no fault on a lock can be served then.  So the parent pins each
 * stream, and writes to its lock, before libuhmm prepares for the fork.
 *
 * The list of streams is locked before jemalloc's locks, in glibc's order.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "preload.h"

static void (*lock_list)(void);
static void (*unlock_list)(void);
static FILE **all;
static __thread bool locked __attribute__((tls_model("initial-exec")));

void streams_init(void)
{
	lock_list = (void (*)(void))dlsym(RTLD_NEXT, "_IO_list_lock");
	unlock_list = (void (*)(void))dlsym(RTLD_NEXT, "_IO_list_unlock");
	all = dlsym(RTLD_NEXT, "_IO_list_all");
}

static void pin_buffer(uintptr_t start, size_t len, bool pinned)
{
	manage_pin(page_down(start), page_up(start + len), pinned);
}

/* Another thread may hold a lock, so an atomic or with 0 is the write. */
static void pin_all(bool pinned)
{
	for (FILE *f = *all; f; f = f->_chain) {
		pin_buffer((uintptr_t)f, sizeof(*f), pinned);
		if (!f->_lock)
			continue;
		pin_buffer((uintptr_t)f->_lock, sizeof(uint64_t[2]), pinned);
		if (pinned)
			__atomic_fetch_or((char *)f->_lock, 0,
					  __ATOMIC_RELAXED);
	}
}

/* libuhmm's threads make glibc lock the list as well, so the order counts. */
void streams_lock(void)
{
	locked = manage_is_started() && all && lock_list && unlock_list;
	if (!locked)
		return;
	lock_list();
	pin_all(true);
}

void streams_unlock(void)
{
	if (!locked)
		return;
	pin_all(false);
	unlock_list();
	locked = false;
}

/* In the child glibc has reset the list's lock, and no stream is pinned. */
void streams_forked(void)
{
	locked = false;
}
