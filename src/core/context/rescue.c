/* SPDX-License-Identifier: MIT */
/*
 * rescue.c - all pages come home, since the process is about to die.
 *
 * A handler of a fatal signal calls uhmm_rescue().  The signal may have
 * interrupted any code, the library's too.  So the call takes no lock and makes
 * no thread, and waits only as long as pages come home. uhmm-rescue, a thread
 * that has nothing else to do, brings them home.
 *
 * After that no page leaves RAM any more: the gate is shut for good, limits
 * hold no longer, and movers wait for the end of the process.
 */
#include <errno.h>

#include "core/charge/room.h"
#include "core/context/context.h"
#include "core/context/rescue.h"
#include "core/fork/gate.h"
#include "core/move/home.h"

#define LOOK_NS (UINT64_C(10) * 1000 * 1000)

enum {
	NOT_THERE,
	IDLE,
	WANTED,
	DONE,
	STOP,
};

static void rescue(struct uhmm *u)
{
	uint32_t wanted = WANTED;

	gate_shut(u);
	room_wake(u);
	u->rescue.result = home_all(u, NULL, HOME_RESCUE);
	if (atomic_compare_exchange_strong(&u->rescue.state, &wanted, DONE))
		sys_futex_wake(&u->rescue.state, INT32_MAX);
}

static void rescue_main(void *arg)
{
	struct uhmm *u = arg;
	uint32_t state;

	while ((state = atomic_load(&u->rescue.state)) != STOP) {
		if (state == WANTED)
			rescue(u);
		else
			sys_futex_wait(&u->rescue.state, state, 0);
	}
}

int rescue_start(struct uhmm *u)
{
	int err;

	if (!(u->flags & UHMM_OPEN_RESCUE))
		return 0;
	atomic_store(&u->rescue.state, IDLE);
	err = sys_thread_start(&u->rescue.thread, rescue_main, u, -1,
			       "uhmm-rescue");
	if (err)
		atomic_store(&u->rescue.state, NOT_THERE);
	return err;
}

void rescue_stop(struct uhmm *u)
{
	if (atomic_load(&u->rescue.state) == NOT_THERE)
		return;
	atomic_store(&u->rescue.state, STOP);
	sys_futex_wake(&u->rescue.state, INT32_MAX);
	sys_thread_join(&u->rescue.thread);
	gate_reopen(u);
}

/* A number that changes whenever pages come home. */
static uint64_t progress(struct uhmm *u)
{
	return atomic_load(&u->count.to_ram) +
	       (uint64_t)atomic_load(&u->on_device) +
	       (uint64_t)atomic_load(&u->frozen);
}

static int wait(struct uhmm *u, uint64_t patience_ns)
{
	uint64_t seen = progress(u), since = sys_now_ns();

	while (atomic_load(&u->rescue.state) == WANTED) {
		uint64_t now = sys_now_ns();

		if (progress(u) != seen) {
			seen = progress(u);
			since = now;
		} else if (now - since > patience_ns) {
			return -ETIMEDOUT;
		}
		sys_futex_wait(&u->rescue.state, WANTED, LOOK_NS);
	}
	return u->rescue.result;
}

int uhmm_rescue(struct uhmm *u, unsigned patience_ms)
{
	uint32_t idle = IDLE;

	if (!u)
		return -EINVAL;
	if (context_is_dead(u))
		return -ENODEV;
	if (atomic_load(&u->rescue.state) == NOT_THERE)
		return -EINVAL;
	if (atomic_compare_exchange_strong(&u->rescue.state, &idle, WANTED))
		sys_futex_wake(&u->rescue.state, INT32_MAX);
	return wait(u, (uint64_t)patience_ms * 1000 * 1000);
}
