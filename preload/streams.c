// SPDX-License-Identifier: MIT
/*
 * Streams of stdio in a fork(2).
 *
 * glibc's child resets the lock of each stream before any handler has run, and
 * so before a fault can be served in it.  So they are pinned in the parent, and
 * have been written, before libuhmm prepares.
 *
 * Their list is locked before jemalloc's locks are taken, as glibc does it.
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
	manage_pin(start & ~(PAGE - 1), page_up(start + len), pinned);
}

/* What is written is what is there: another thread may have the lock. */
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

/* With threads of libuhmm glibc sees more than one: it locks the list too. */
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

/* glibc made the list's lock anew, and nothing is pinned here. */
void streams_forked(void)
{
	locked = false;
}
