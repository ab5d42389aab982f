/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - calls into providers and mirrors that do not return, and the
 * library's own waits that do not end.
 *
 * The watchdog is a thread that looks at the slots of callback.c several times
 * within the time that a call may take; a call only stamps its slot.  The
 * watchdog reports each stuck call, and again when the call is twice as old.
 * The thread that returns from a reported call reports the end.  If all threads
 * of the backend are in stuck calls, the watchdog asks the backend for another
 * one.  It also releases a lost device when the last call into the device is
 * over: release() may call free(3), which a thread that serves faults must not.
 *
 * A mirror has one slot, because its lock is held over its callbacks.  A thread
 * that waits for another thread has a slot of sys/waits.h, which says for what
 * the thread waits; the watchdog reports long waits, too.
 */
#include <errno.h>

#include "core/context/context.h"
#include "core/device/callback.h"
#include "core/device/device.h"
#include "sys/fds.h"
#include "sys/waits.h"

#define DEFAULT_MS UINT64_C(5000)
#define MS	   (UINT64_C(1000) * 1000)
#define MAX_TICK   (1000 * MS)
#define OFTEN	   (200 * MS)

/* ---- Messages --------------------------------------------------------- */

static const char *const op_names[] = {
	[CALL_IN] = "copy to device",	[CALL_OUT] = "copy to RAM",
	[CALL_CLEAR] = "clear",		[CALL_DIRECT] = "direct",
	[CALL_PEER] = "copy to a peer", [CALL_FREE] = "page_free",
	[CALL_STORED] = "stored",
};

/* "5 s", "20 ms" */
struct age {
	uintmax_t n;
	const char *unit;
};

static struct age age_of(uint64_t ns)
{
	if (ns >= 1000 * MS)
		return (struct age){ ns / (1000 * MS), "s" };
	return (struct age){ ns / MS, "ms" };
}

static void tell_late_call(struct uhmm_device *dev, const struct call *c,
			   const char *what, uint64_t ns)
{
	struct call_what w = call_read(c);
	struct age age = age_of(ns);

	if (w.va)
		sys_logf(&dev->u->log, SYS_WARN,
			 "device %s: %s of page %#lx (dpfn %ju), %ju in all, "
			 "%s %ju %s",
			 dev->name, op_names[w.op], (unsigned long)w.va,
			 (uintmax_t)w.dpfn, (uintmax_t)w.npages, what, age.n,
			 age.unit);
	else
		sys_logf(&dev->u->log, SYS_WARN,
			 "device %s: %s of dpfn %ju, %ju in all, %s %ju %s",
			 dev->name, op_names[w.op], (uintmax_t)w.dpfn,
			 (uintmax_t)w.npages, what, age.n, age.unit);
}

/* ---- Calls ------------------------------------------------------------ */

static uint64_t age_at(uint64_t start, uint64_t now)
{
	start &= ~CALL_TOLD;
	return now > start ? now - start : 0;
}

static bool is_told(const struct call *c)
{
	uint64_t start = atomic_load(&c->start);

	return start & CALL_TOLD;
}

/*
 * Mark the call as reported, so that its end is reported too.  Return: false if
 * the call has just ended.
 */
static bool mark_call(struct call *c, uint64_t start)
{
	return atomic_compare_exchange_strong(&c->start, &start,
					      start | CALL_TOLD);
}

/* Caller holds dog->lock. */
static bool check_call(struct watchdog *dog, struct uhmm_device *dev,
		       struct call *c, bool again)
{
	uint64_t start = atomic_load(&c->start), age;

	if (!start || start == CALL_CLAIMED)
		return false;
	age = age_at(start, sys_now_ns());
	if (age < dog->threshold)
		return false;
	if (!(start & CALL_TOLD)) {
		if (!mark_call(c, start))
			return false;
		c->next = 2 * dog->threshold;
	} else if (age >= c->next) {
		c->next *= 2;
	} else if (!again) {
		return true;
	}
	atomic_store(&dev->is_stuck, true);
	tell_late_call(dev, c, "has been stuck for", age);
	return true;
}

void watchdog_ended(struct uhmm_device *dev, const struct call *c,
		    uint64_t start)
{
	struct watchdog *dog = &dev->u->watchdog;
	uint64_t age = age_at(start, sys_now_ns());
	bool others = false;

	sys_mutex_lock(&dog->lock);
	tell_late_call(dev, c, "has ended after", age);
	if (age > atomic_load(&dev->longest))
		atomic_store(&dev->longest, age);
	for (unsigned i = 0; i < NR_CALLS; i++)
		others = others ||
			 (&dev->calls[i] != c && is_told(&dev->calls[i]));
	atomic_store(&dev->is_stuck, others);
	sys_mutex_unlock(&dog->lock);
}

unsigned watchdog_stuck(struct uhmm_device *dev, uint64_t *longest)
{
	uint64_t now = sys_now_ns();
	unsigned n = 0;

	for (unsigned i = 0; i < NR_CALLS; i++) {
		uint64_t start = atomic_load(&dev->calls[i].start);

		if (!(start & CALL_TOLD))
			continue;
		n++;
		if (age_at(start, now) > *longest)
			*longest = age_at(start, now);
	}
	return n;
}

/* ---- Callbacks of mirrors --------------------------------------------- */

static void tell_mirror(struct uhmm *u, unsigned id,
			const struct sys_wait_slot *s, const char *what,
			uint64_t ns)
{
	const char *name = atomic_load(&s->name);
	struct age age = age_of(ns);

	sys_logf(&u->log, SYS_WARN,
		 "mirror %u%s%s: %s() of addresses from %#lx on %s %ju %s", id,
		 name ? " of device " : "", name ? name : "",
		 atomic_load(&s->what), (unsigned long)atomic_load(&s->at),
		 what, age.n, age.unit);
}

/*
 * Is the wait in @s old enough to be reported, or reported again?  The thread
 * that ends the wait clears @since and then reads @next; this function sets
 * @next and then reads @since.
 */
static bool is_wait_due(const struct watchdog *dog, struct sys_wait_slot *s,
			bool again, uint64_t *ret_age)
{
	uint64_t since = atomic_load(&s->since), next = atomic_load(&s->next);
	uint64_t want = next ? next : dog->threshold;

	if (!since || since == SYS_WAIT_CLAIMED)
		return false;
	*ret_age = age_at(since, sys_now_ns());
	if (*ret_age < (next && again ? dog->threshold : want))
		return false;
	atomic_store(&s->next, *ret_age >= want ? 2 * want : want);
	return atomic_load(&s->since) == since;
}

static bool check_mirror(struct uhmm *u, unsigned id, bool again)
{
	struct sys_wait_slot *s = &u->mirrors.slot[id].call;
	uint64_t age;

	if (is_wait_due(&u->watchdog, s, again, &age))
		tell_mirror(u, id, s, "has been stuck for", age);
	return atomic_load(&s->since) && atomic_load(&s->next);
}

static bool check_mirrors(struct uhmm *u, bool again)
{
	unsigned end = atomic_load(&u->mirrors.end);
	bool any = false;

	sys_mutex_lock(&u->watchdog.lock);
	for (unsigned id = 1; id < end; id++)
		any = check_mirror(u, id, again) || any;
	sys_mutex_unlock(&u->watchdog.lock);
	return any;
}

void watchdog_mirror_ended(struct uhmm *u, unsigned id, uint64_t since)
{
	const struct sys_wait_slot *s = &u->mirrors.slot[id].call;

	sys_mutex_lock(&u->watchdog.lock);
	tell_mirror(u, id, s, "has ended after", age_at(since, sys_now_ns()));
	sys_mutex_unlock(&u->watchdog.lock);
}

/* ---- Waits ------------------------------------------------------------ */

static void tell_wait(struct uhmm *u, const struct sys_wait_slot *s,
		      uint64_t ns)
{
	const char *waiter = atomic_load(&s->waiter),
		   *what = atomic_load(&s->what);
	const char *name = atomic_load(&s->name);
	unsigned long at = (unsigned long)atomic_load(&s->at);
	struct age age = age_of(ns);
	int tid = atomic_load(&s->tid);

	if (name)
		sys_logf(&u->log, SYS_WARN,
			 "%s has been waiting for %ju %s, in thread %d, for %s "
			 "device %s",
			 waiter, age.n, age.unit, tid, what, name);
	else if (at)
		sys_logf(&u->log, SYS_WARN,
			 "%s has been waiting for %ju %s, in thread %d, for %s "
			 "%#lx",
			 waiter, age.n, age.unit, tid, what, at);
	else
		sys_logf(&u->log, SYS_WARN,
			 "%s has been waiting for %ju %s, in thread %d, for %s",
			 waiter, age.n, age.unit, tid, what);
}

static void check_waits(struct uhmm *u, bool again)
{
	uint64_t age;

	for (unsigned i = 0; i < SYS_NR_WAITS; i++) {
		struct sys_wait_slot *s = &u->waits.slot[i];

		if (is_wait_due(&u->watchdog, s, again, &age))
			tell_wait(u, s, age);
	}
}

/* ---- Devices ---------------------------------------------------------- */

static bool check_late_calls(struct watchdog *dog, struct uhmm_device *dev,
			     bool again)
{
	bool any = false;

	sys_mutex_lock(&dog->lock);
	for (unsigned i = 0; i < NR_CALLS; i++)
		any = check_call(dog, dev, &dev->calls[i], again) || any;
	sys_mutex_unlock(&dog->lock);
	return any;
}

/*
 * Ask the backend for another thread, so that faults on other devices are
 * served.
 */
static void relieve(struct uhmm *u)
{
	struct watchdog *dog = &u->watchdog;

	sys_mutex_lock(&dog->relief);
	if (dog->may_relieve && u->mm->ops->relieve)
		u->mm->ops->relieve(u->mm);
	sys_mutex_unlock(&dog->relief);
}

static void look_round(struct uhmm *u, bool again)
{
	bool any = false;

	device_for_each(u, dev) {
		any = check_late_calls(&u->watchdog, dev, again) || any;
		if (device_is_lost(dev) && !call_any(dev))
			device_release(dev);
	}
	any = check_mirrors(u, again) || any;
	check_waits(u, again);
	if (any)
		relieve(u);
}

/* ---- The thread ------------------------------------------------------- */

/* @often: memory is shared with children, and they may be gone soon. */
static uint64_t tick(const struct watchdog *dog, bool often)
{
	uint64_t ns = dog->threshold / 4, most = often ? OFTEN : MAX_TICK;

	return ns < most ? ns : most;
}

static void watchdog_main(void *arg)
{
	struct uhmm *u = arg;
	struct watchdog *dog = &u->watchdog;
	bool often = false;

	while (!atomic_load(&dog->stop)) {
		sys_futex_wait(&dog->kick, 0, tick(dog, often));
		atomic_store(&dog->kick, 0);
		sys_fds_look();
		often = u->look_at_objects(u);
		look_round(u, atomic_exchange(&dog->closing, false));
	}
}

static void kick(struct watchdog *dog)
{
	atomic_store(&dog->kick, 1);
	sys_futex_wake(&dog->kick, 1);
}

int watchdog_start(struct uhmm *u)
{
	struct watchdog *dog = &u->watchdog;
	int err = 0;

	sys_mutex_lock(&dog->lock);
	if (!dog->running) {
		err = sys_thread_start(&dog->thread, watchdog_main, u, -1,
				       "uhmm-watchdog");
		dog->running = !err;
		dog->may_relieve = true;
	}
	sys_mutex_unlock(&dog->lock);
	return err;
}

void watchdog_closing(struct uhmm *u)
{
	atomic_store(&u->watchdog.closing, true);
	kick(&u->watchdog);
}

void watchdog_no_relief(struct uhmm *u)
{
	sys_mutex_lock(&u->watchdog.relief);
	u->watchdog.may_relieve = false;
	sys_mutex_unlock(&u->watchdog.relief);
}

void watchdog_stop(struct uhmm *u)
{
	struct watchdog *dog = &u->watchdog;

	if (!dog->running)
		return;
	atomic_store(&dog->stop, true);
	kick(dog);
	sys_thread_join(&dog->thread);
	dog->running = false;
}

/* ---- How long --------------------------------------------------------- */

/* -EINVAL: @s is not a number of milliseconds. */
static int parse_ms(const char *s, uint64_t *ret)
{
	uint64_t ms = 0;

	for (; *s >= '0' && *s <= '9' && ms <= UINT32_MAX; s++)
		ms = ms * 10 + (uint64_t)(*s - '0');
	if (*s || !ms || ms > UINT32_MAX)
		return -EINVAL;
	*ret = ms;
	return 0;
}

int watchdog_init(struct uhmm *u, uint32_t ms)
{
	const char *env = sys_getenv("UHMM_WATCHDOG_MS");
	uint64_t use = ms ? ms : DEFAULT_MS;
	int err = 0;

	if (!ms && env && *env)
		err = parse_ms(env, &use);
	u->watchdog.threshold = use * MS;
	return err;
}
