// SPDX-License-Identifier: MIT
/*
 * Calls on the context that are made without manage.c's lock, also in signal
 * handlers.  The context is closed when no such call is under way.
 */
#include <time.h>

#include <uhmm/mirror.h>
#include <uhmm/object.h>

#include "hints.h"
#include "preload.h"

#define PATIENCE_MS 10000

static _Atomic(struct uhmm *) current;
static _Atomic unsigned nr_users;

static void unuse(void)
{
	atomic_fetch_sub(&nr_users, 1);
}

/* NULL: the context is closed, or is about to be. */
static struct uhmm *use(void)
{
	struct uhmm *u;

	atomic_fetch_add(&nr_users, 1);
	u = atomic_load(&current);
	if (!u)
		unuse();
	return u;
}

ssize_t manage_fault_in(const void *p, size_t len, bool write)
{
	struct uhmm *u = use();
	ssize_t ret;

	if (!u)
		return -ENODEV;
	ret = uhmm_fault_in(u, p, len, write);
	unuse();
	return ret;
}

static int use_for(int (*fn)(struct uhmm *, void *, size_t), const void *p,
		   size_t len)
{
	struct uhmm *u = use();
	int err;

	if (!u)
		return -ENODEV;
	err = fn(u, (void *)p, len);
	unuse();
	return err;
}

int manage_hold(const void *p, size_t len)
{
	return use_for(uhmm_pin, p, len);
}

int manage_release(const void *p, size_t len)
{
	return use_for(uhmm_unpin, p, len);
}

static int begin_clear(struct uhmm *u, void *p, size_t len)
{
	return uhmm_notify_begin(u, p, len, UHMM_NOTIFY_CLEAR);
}

static int begin_protect(struct uhmm *u, void *p, size_t len)
{
	return uhmm_notify_begin(u, p, len, UHMM_NOTIFY_PROTECT);
}

int manage_clears(const void *p, size_t len)
{
	return use_for(begin_clear, p, len);
}

int manage_protects(const void *p, size_t len)
{
	if (!settings.devices || !manage_is_started())
		return -ENODEV;
	return use_for(begin_protect, p, len);
}

void manage_changed(const void *p, size_t len, int announced)
{
	int err = errno;

	if (!announced)
		use_for(uhmm_notify_end, p, len);
	errno = err;
}

void manage_advise(void *p, size_t len, enum uhmm_advice advice)
{
	struct uhmm *u = use();

	if (!u)
		return;
	uhmm_advise(u, p, len, advice);
	unuse();
}

int manage_remove(void *p, size_t len)
{
	return use_for(uhmm_object_remove, p, len);
}

/* Wait until no call is under way.  False: one does not end. */
bool uses_settle(void)
{
	const struct timespec ms = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; atomic_load(&nr_users); i++) {
		if (i == PATIENCE_MS)
			return false;
		nanosleep(&ms, NULL);
	}
	return true;
}

void uses_set(struct uhmm *u)
{
	atomic_store(&current, u);
}

void uses_reset(void)
{
	atomic_store(&nr_users, 0);
}

int manage_rescue(unsigned patience_ms)
{
	struct uhmm *u = use();
	int err;

	if (!u)
		return 0;
	err = uhmm_rescue(u, patience_ms);
	unuse();
	return err;
}
