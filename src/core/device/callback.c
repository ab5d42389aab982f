/* SPDX-License-Identifier: MIT */
/*
 * callback.c - see callback.h.
 *
 * A callback runs without any lock of ours, except the device's own where its
 * provider did not claim UHMM_DEVICE_CONCURRENT.  While it runs the thread is
 * marked: a provider that calls back into uhmm gets -EDEADLK.
 */
#include "core/device/callback.h"
#include "core/context/context.h"
#include "core/device/device.h"
#include "core/device/said.h"

static _Thread_local int callback_depth;

bool device_in_callback(void)
{
	return callback_depth > 0;
}

void callback_enter(void)
{
	debug_holds_none(RANK_BLOCK, RANK_DEVICE, "a callback");
	callback_depth++;
}

void callback_leave(void)
{
	callback_depth--;
}

/* ---- Slots ------------------------------------------------------------ */

/*
 * Each thread begins its search at another slot, so that it mostly has that
 * slot for itself.
 */
static unsigned first_slot(void)
{
	static _Atomic unsigned threads;
	static _Thread_local unsigned mine;

	if (!mine)
		mine = 1 + atomic_fetch_add(&threads, 1);
	return mine;
}

static struct call *try_claim(struct uhmm_device *dev)
{
	unsigned first = first_slot();

	for (unsigned k = 0; k < NR_CALLS; k++) {
		struct call *c = &dev->calls[(first + k) % NR_CALLS];
		uint64_t none = 0;

		if (!atomic_load_explicit(&c->start, memory_order_relaxed) &&
		    atomic_compare_exchange_strong(&c->start, &none,
						   CALL_CLAIMED))
			return c;
	}
	return NULL;
}

/*
 * All slots are taken.  Looks again each millisecond, because the end of a call
 * wakes no thread here.
 */
static struct call *wait_to_claim(struct uhmm_device *dev)
{
	struct sys_wait w = {
		.all = &dev->u->waits,
		.what = "one of all calls that there may be to end in",
		.name = dev->name
	};
	_Atomic uint32_t nobody = 0;
	struct call *c;

	while (!(c = try_claim(dev)) && !device_is_lost(dev))
		sys_wait_on(&w, &nobody, 0, 1000 * 1000);
	sys_wait_end(&w);
	return c;
}

/* NULL: the device is lost. */
static struct call *claim_call(struct uhmm_device *dev)
{
	struct call *c = try_claim(dev);

	return c ? c : wait_to_claim(dev);
}

/* The waiter sets is_lost or is_retiring before call_any(): see call_wait(). */
static void wake_waiter(struct uhmm_device *dev, bool waits)
{
	if (!waits)
		return;
	atomic_fetch_add(&dev->ended, 1);
	sys_futex_wake(&dev->ended, INT32_MAX);
}

static void stamp_call(struct call *c, const struct call_what *what)
{
	atomic_store_explicit(&c->op, what->op, memory_order_relaxed);
	atomic_store_explicit(&c->va, what->va, memory_order_relaxed);
	atomic_store_explicit(&c->dpfn, what->dpfn, memory_order_relaxed);
	atomic_store_explicit(&c->npages, what->npages, memory_order_relaxed);
	/* The watchdog reads them after @start, see call_read(). */
	atomic_store(&c->start, sys_now_ns() & ~(CALL_TOLD | CALL_CLAIMED));
}

struct call_what call_read(const struct call *c)
{
	return (struct call_what){
		.op = atomic_load_explicit(&c->op, memory_order_relaxed),
		.va = atomic_load_explicit(&c->va, memory_order_relaxed),
		.dpfn = atomic_load_explicit(&c->dpfn, memory_order_relaxed),
		.npages =
			atomic_load_explicit(&c->npages, memory_order_relaxed),
	};
}

bool call_any(struct uhmm_device *dev)
{
	if (atomic_load(&dev->holds))
		return true;
	for (unsigned i = 0; i < NR_CALLS; i++)
		if (atomic_load(&dev->calls[i].start))
			return true;
	return false;
}

void call_wait(struct uhmm_device *dev, uint64_t timeout_ns)
{
	struct sys_wait w = { .all = &dev->u->waits,
			      .what = "calls under way to end in",
			      .name = dev->name };

	for (;;) {
		uint32_t seen = atomic_load(&dev->ended);

		if (!call_any(dev))
			break;
		if (timeout_ns)
			sys_futex_wait(&dev->ended, seen, timeout_ns);
		else
			sys_wait_open(&w, &dev->ended, seen, 0);
		if (timeout_ns)
			break;
	}
	sys_wait_end(&w);
}

/* ---- Calls ------------------------------------------------------------ */

/*
 * Take the device's lock, unless the device is lost.  A CALL_STORED only asks a
 * question, so it does not wait for a stuck call.
 */
static bool lock(struct uhmm_device *dev, enum call_op op)
{
	if (dev->desc.flags & UHMM_DEVICE_CONCURRENT)
		return true;
	return sys_mutex_lock_unless(
		&dev->lock, op == CALL_STORED ? &dev->is_stuck : &dev->is_lost);
}

static void unlock(struct uhmm_device *dev)
{
	if (!(dev->desc.flags & UHMM_DEVICE_CONCURRENT))
		sys_mutex_unlock(&dev->lock);
}

struct call *call_begin(struct uhmm_device *dev, const struct call_what *what)
{
	struct call *c;

	debug_holds_none(RANK_BLOCK, RANK_LEAF, "a callback of a provider");
	if (device_is_lost(dev) || !lock(dev, what->op))
		return NULL;
	c = claim_call(dev);
	if (c) {
		stamp_call(c, what);
		said_clear();
		callback_depth++;
	}
	/*
	 * Either the thread in set_lost() sees this slot, or this thread sees
	 * is_lost.
	 */
	if (c && device_is_lost(dev)) {
		call_end(dev, c);
		return NULL;
	}
	if (!c)
		unlock(dev);
	return c;
}

/* Report the end before the slot is freed: the slot says what was called. */
static void tell_end(struct uhmm_device *dev, struct call *c)
{
	uint64_t start = atomic_load_explicit(&c->start, memory_order_relaxed);

	if (start & CALL_TOLD ||
	    !atomic_compare_exchange_strong(&c->start, &start, CALL_CLAIMED))
		watchdog_ended(dev, c, start & ~CALL_TOLD);
}

static bool is_awaited(struct uhmm_device *dev)
{
	return device_is_lost(dev) || atomic_load(&dev->is_retiring);
}

bool call_end(struct uhmm_device *dev, struct call *c)
{
	bool lost;

	tell_end(dev, c);
	callback_depth--;
	unlock(dev);
	atomic_store(&c->start, 0);
	lost = device_is_lost(dev);
	wake_waiter(dev, is_awaited(dev));
	return !lost;
}

bool call_hold(struct uhmm_device *dev)
{
	atomic_fetch_add(&dev->holds, 1);
	if (!atomic_load(&dev->is_retiring))
		return true;
	call_drop(dev);
	return false;
}

void call_drop(struct uhmm_device *dev)
{
	atomic_fetch_sub(&dev->holds, 1);
	wake_waiter(dev, is_awaited(dev));
}
