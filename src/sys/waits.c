/* SPDX-License-Identifier: MIT */
/* waits.c - see waits.h */
#include "sys/waits.h"

#include <stddef.h>

#include "sys/debug.h"
#include "sys/lock.h"
#include "sys/sys.h"

/*
 * How long a call keeps signals blocked before handlers may run, at first and
 * after each time.  Few calls take that long, so a handler normally runs before
 * or after a call.
 */
#define FIRST_NS (UINT64_C(100) * 1000 * 1000)
#define OPEN_NS	 (UINT64_C(10) * 1000 * 1000)

/* The name is kept apart: @current may lie on a stack that is away. */
static _Thread_local struct sys_call *current;
static _Thread_local const char *call_name, *thread_name;

/* ---- Calls ------------------------------------------------------------ */

void sys_call_begin(struct sys_call *c, const char *name)
{
	c->cancel = sys_cancel_block();
	sys_signals_block(&c->mask);
	c->name = call_name;
	c->outer = current;
	c->opened = sys_now_ns() + FIRST_NS - OPEN_NS;
	call_name = name;
	current = c;
}

void sys_call_end(const struct sys_call *c)
{
	current = c->outer;
	call_name = c->name;
	sys_signals_restore(c->mask);
	sys_cancel_restore(c->cancel);
}

const char *sys_call_name(void)
{
	if (call_name)
		return call_name;
	return thread_name ? thread_name : "a touch of memory";
}

const char *sys_call_rename(const char *name)
{
	const char *was = call_name;

	call_name = name;
	return was;
}

void sys_name_thread(const char *name)
{
	thread_name = name;
}

static bool is_call_late(void)
{
	return current && sys_now_ns() >= current->opened + OPEN_NS;
}

/* A handler may leave by siglongjmp(3), so no call is recorded meanwhile. */
void sys_call_open(void)
{
	struct sys_call *c = current;
	const char *name = call_name;
	uint64_t mask;

	if (!is_call_late())
		return;
	debug_holds_none(RANK_FILE, RANK_DEVICE, "a signal handler");
	current = c->outer;
	call_name = c->name;
	sys_signals_restore_most(c->mask);
	sys_signals_block(&mask);
	call_name = name;
	current = c;
	c->opened = sys_now_ns();
}

/* ---- The table -------------------------------------------------------- */

static struct sys_wait_slot *claim_wait_slot(struct sys_waits *all)
{
	for (unsigned i = 0; all && i < SYS_NR_WAITS; i++) {
		struct sys_wait_slot *s = &all->slot[i];
		uint64_t none = 0;

		if (!atomic_load_explicit(&s->since, memory_order_relaxed) &&
		    atomic_compare_exchange_strong(&s->since, &none,
						   SYS_WAIT_CLAIMED))
			return s;
	}
	return NULL;
}

/* If the table is full the watchdog has other waits to report. */
static void enter_wait(struct sys_wait *w)
{
	struct sys_wait_slot *s = claim_wait_slot(w->all);

	if (!s)
		return;
	atomic_store_explicit(&s->waiter, sys_call_name(),
			      memory_order_relaxed);
	atomic_store_explicit(&s->what, w->what, memory_order_relaxed);
	atomic_store_explicit(&s->name, w->name, memory_order_relaxed);
	atomic_store_explicit(&s->at, w->at, memory_order_relaxed);
	atomic_store_explicit(&s->next, w->next, memory_order_relaxed);
	atomic_store_explicit(&s->tid, sys_gettid(), memory_order_relaxed);
	/* The watchdog reads @since first, then the others. */
	atomic_store(&s->since, w->since);
	w->slot = s;
}

static void leave_wait(struct sys_wait *w)
{
	if (!w->slot)
		return;
	w->next = atomic_load_explicit(&w->slot->next, memory_order_relaxed);
	atomic_store(&w->slot->since, 0);
	w->slot = NULL;
}

/* ---- Waiting ---------------------------------------------------------- */

void sys_wait_note(struct sys_wait *w)
{
	if (w->slot)
		return;
	if (!w->since)
		w->since = sys_now_ns();
	enter_wait(w);
}

void sys_wait_on(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		 uint64_t timeout_ns)
{
	sys_wait_note(w);
	sys_futex_wait(word, value, timeout_ns);
}

/* A handler may not return, so the wait's entry is taken out meanwhile. */
static void open_call(struct sys_wait *w)
{
	if (!is_call_late())
		return;
	leave_wait(w);
	sys_call_open();
}

void sys_wait_open(struct sys_wait *w, _Atomic uint32_t *word, uint32_t value,
		   uint64_t timeout_ns)
{
	if (current && (!timeout_ns || timeout_ns > OPEN_NS))
		timeout_ns = OPEN_NS;
	sys_wait_on(w, word, value, timeout_ns);
	open_call(w);
}

void sys_wait_yield(struct sys_wait *w)
{
	sys_wait_note(w);
	sys_yield();
	open_call(w);
}

void sys_wait_end(struct sys_wait *w)
{
	leave_wait(w);
	w->since = 0;
}

void sys_wait_lock_slow(struct sys_waits *all, struct sys_mutex *m,
			const char *what, uint64_t at)
{
	struct sys_wait w = { .all = all, .what = what, .at = at };

	sys_wait_note(&w);
	sys_mutex_lock(m);
	sys_wait_end(&w);
}
