/* SPDX-License-Identifier: MIT */
/*
 * event.c - handler threads: read messages, apply events, serve faults.
 *
 * One handler is pinned to each CPU.  All wake for a fault; the one on the
 * faulting CPU runs at once, because the faulter has just gone to sleep, and
 * the others find nothing to read.  None has a higher priority than others: the
 * handlers that are woken in vain would run first, and on the wrong CPU.
 *
 * Nothing here may allocate, print or take a lock that the application can
 * hold: it may be held by a thread that waits for us.
 */
#include <errno.h>
#include <limits.h>

#include "mm/uffd/object.h"
#include "sys/cpu.h"
#include "sys/fds.h"

enum {
	SPINS = 64,
	YIELDS = 16,
	TRIES = 32,
	NAP_NS = 50 * 1000,
	REST_NS = 500 * 1000,
};

/* Wait for @word to change from @value: spin first, then yield, then sleep. */
static void wait_for_reader(struct sys_wait *w, int spins,
			    _Atomic uint32_t *word, uint32_t value)
{
	if (spins >= SPINS + YIELDS)
		sys_wait_on(w, word, value, NAP_NS);
	else if (spins >= SPINS)
		sys_yield();
	else
		sys_relax();
}

/* ---- The gate ---- */

/* Return: 0; -EAGAIN; -EBUSY while an event is read. */
static int try_enter(struct uffd *b)
{
	uint32_t reading = atomic_load(&b->reading);

	if (!reading) {
		atomic_fetch_add(&b->inside, 1);
		/* Pairs with begin_read(): one sees the other. */
		if (!atomic_load(&b->reading))
			return 0;
		atomic_fetch_sub(&b->inside, 1);
	}
	/* The thread that applies it may wait for the caller's lock. */
	return reading == 2 ? -EAGAIN : -EBUSY;
}

static int wait_to_enter(struct uffd *b)
{
	struct sys_wait w = { .all = b->mm.client->waits,
			      .what = "an event to be read" };
	int ret;

	for (int spins = 0; (ret = try_enter(b)) == -EBUSY; spins++)
		wait_for_reader(&w, spins, &b->reading, 1);
	sys_wait_end(&w);
	return ret;
}

static int enter_gate(struct uffd *b)
{
	int ret = try_enter(b);

	return ret == -EBUSY ? wait_to_enter(b) : ret;
}

int uffd_gate_enter(struct uffd *b)
{
	if (enter_gate(b))
		return -EAGAIN;
	if (!uffd_is_changing(b))
		return 0;
	atomic_fetch_sub(&b->inside, 1);
	return -EAGAIN;
}

bool uffd_gate_leave(struct uffd *b)
{
	bool changed = uffd_is_changing(b);

	atomic_fetch_sub(&b->inside, 1);
	return changed;
}

/* For one ioctl on @u, which says by itself when an event comes up. */
int uffd_gate_pass(struct uffd *b)
{
	int ret = enter_gate(b);

	if (ret)
		uffd_saw_again = true;
	return ret;
}

void uffd_gate_passed(struct uffd *b)
{
	atomic_fetch_sub(&b->inside, 1);
}

static void end_read(struct uffd *b)
{
	uffd_inline_changed(b);
	atomic_store_explicit(&b->reading, 0, memory_order_release);
	atomic_fetch_add_explicit(&b->seq, 1, memory_order_release);
}

/*
 * Close the gate, if that takes no longer than @patience.  While it is closed
 * each fault stalls: so the caller must not be made to wait for a CPU.
 */
static bool begin_read(struct uffd *b, int patience)
{
	struct sys_wait w = { .all = b->mm.client->waits,
			      .what = "the mover of a mapping to end" };
	uint32_t inside;

	uffd_inline_changed(b);
	atomic_fetch_add(&b->seq, 1);
	atomic_store(&b->reading, 1);
	for (int spins = 0; (inside = atomic_load(&b->inside)); spins++) {
		if (spins >= patience)
			break;
		wait_for_reader(&w, spins, &b->inside, inside);
	}
	sys_wait_end(&w);
	if (inside)
		end_read(b);
	return !inside;
}

/* ---- Events ---- */

/*
 * Stamped before and after, so that a stamp that is read while the client is
 * told is good for nothing.
 */
void uffd_apply(struct uffd *b, const struct uffd_msg *msg)
{
	const struct mm_client *c = b->mm.client;
	uintptr_t from, to;

	switch (msg->event) {
	case UFFD_EVENT_REMOVE:
		/* MADV_DONTNEED, perhaps, which leaves shared data alone */
		if (uffd_is_view(b, msg->arg.remove.start))
			break;
		uffd_poison_forget(b, msg->arg.remove.start,
				   msg->arg.remove.end);
		uffd_stamp_drop(b, msg->arg.remove.start, msg->arg.remove.end);
		c->discard(c->priv, msg->arg.remove.start, msg->arg.remove.end);
		uffd_stamp_drop(b, msg->arg.remove.start, msg->arg.remove.end);
		break;
	case UFFD_EVENT_UNMAP:
		if (uffd_swap_unmap(b, msg->arg.remove.start,
				    msg->arg.remove.end))
			break;
		uffd_view_cut(b, msg->arg.remove.start, msg->arg.remove.end);
		uffd_poison_forget(b, msg->arg.remove.start,
				   msg->arg.remove.end);
		uffd_ranges_del(b, msg->arg.remove.start, msg->arg.remove.end);
		uffd_stamp_range(b, msg->arg.remove.start, msg->arg.remove.end);
		c->unmap(c->priv, msg->arg.remove.start, msg->arg.remove.end);
		uffd_show_replaced(b, msg->arg.remove.start,
				   msg->arg.remove.end);
		uffd_stamp_range(b, msg->arg.remove.start, msg->arg.remove.end);
		break;
	case UFFD_EVENT_FORK:
		uffd_forked(b, (int)msg->arg.fork.ufd);
		break;
	case UFFD_EVENT_REMAP:
		from = msg->arg.remap.from;
		to = msg->arg.remap.to;
		if (in_slots(b, to)) /* by uffd_stash() */
			break;
		if (uffd_swap_remap(b, from))
			break;
		if (uffd_view_remap(b, from, to, msg->arg.remap.len))
			break;
		uffd_ranges_add(b, to, to + msg->arg.remap.len);
		uffd_stamp_range(b, from, from + msg->arg.remap.len);
		uffd_stamp_range(b, to, to + msg->arg.remap.len);
		c->remap(c->priv, from, to, msg->arg.remap.len);
		/* Tracked no more, as far as we know, but perhaps mapped. */
		uffd_show(b, from, from + msg->arg.remap.len);
		uffd_hide_moved(b, to, to + msg->arg.remap.len);
		uffd_stamp_range(b, from, from + msg->arg.remap.len);
		uffd_stamp_range(b, to, to + msg->arg.remap.len);
		break;
	}
}

/*
 * Read one message, and apply it if it is an event.  Holds event_lock.
 * Return: 1 for a fault, 0 for an event, -EAGAIN when there is none, -EBUSY
 * when the gate could not be closed at once: try again.
 *
 * A thread in the gate has most likely read the message that woke the caller.
 */
static int read_one(struct uffd *b, struct uffd_msg *msg, int tries)
{
	ssize_t ret;

	if (tries < TRIES && atomic_load(&b->inside)) {
		for (int i = 0; i < SPINS && atomic_load(&b->inside); i++)
			sys_relax();
		return -EBUSY;
	}
	if (!begin_read(b, tries < TRIES ? SPINS : INT_MAX))
		return -EBUSY;
	ret = sys_read(b->u, msg, sizeof(*msg));
	if (ret == -EMFILE)
		ret = uffd_read_apart(b, msg);
	if (ret == sizeof(*msg) && msg->event != UFFD_EVENT_PAGEFAULT) {
		atomic_store(&b->reading, 2);
		uffd_apply_in_order(b, msg);
	}
	end_read(b);
	if (ret == -EMFILE)
		sys_fds_short(); /* a child waits for this message */
	if (ret != sizeof(*msg) && ret != -EAGAIN)
		sys_fd_mend(b->u, 0); /* no userfaultfd any more */
	if (ret != sizeof(*msg))
		return -EAGAIN;
	return msg->event == UFFD_EVENT_PAGEFAULT;
}

/* read_one(), repeated until it succeeds, however long that takes. */
static int read_surely(struct uffd *b, struct uffd_msg *msg)
{
	int ret;

	for (int tries = 0;; tries++) {
		ret = read_one(b, msg, tries);
		if (ret != -EBUSY)
			return ret;
		sys_yield();
	}
}

/*
 * Faults are read first, so a stream of them could keep an event from being
 * read, and the event keeps the faults from being resolved.  Hence the faults
 * are taken away here and made to fault again at the end.
 */
void uffd_drain(struct uffd *b)
{
	uintptr_t low = UINTPTR_MAX, high = 0;
	struct uffd_msg msg;
	int ret;

	while ((ret = read_surely(b, &msg)) >= 0) {
		uintptr_t va = msg.arg.pagefault.address & ~(MM_PAGE_SIZE - 1);

		if (ret == 0)
			continue;
		if (va < low)
			low = va;
		if (va > high)
			high = va;
	}
	if (low <= high)
		uffd_wake_range(b, low, high + MM_PAGE_SIZE - low);
}

/* A thread that raised an event goes on once it is read, under this lock. */
void uffd_sync(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);

	sys_wait_lock(b->mm.client->waits, &b->event_lock,
		      "an event to be applied", 0);
	sys_mutex_unlock(&b->event_lock);
}

bool uffd_is_still(struct mm *mm)
{
	struct uffd *b = to_uffd(mm);
	bool still;

	sys_mutex_lock(&b->event_lock);
	uffd_drain(b);
	still = !uffd_is_changing(b);
	sys_mutex_unlock(&b->event_lock);
	if (!still)
		sys_yield();
	return still;
}

/* ---- Faults ---- */

/* The address space is changing: let the event be read, then look again. */
static void retry(struct uffd *b, uintptr_t va)
{
	if (uffd_saw_again) {
		sys_mutex_lock(&b->event_lock);
		uffd_drain(b);
		sys_mutex_unlock(&b->event_lock);
		sys_yield();
	}
	uffd_wake_range(b, va, MM_PAGE_SIZE);
}

static void serve_event(struct uffd *b, const struct uffd_msg *msg)
{
	uintptr_t va = msg->arg.pagefault.address & ~(MM_PAGE_SIZE - 1);
	enum mm_outcome out;
	unsigned flags = 0;

	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE)
		flags |= MM_FAULT_WRITE;
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
		flags |= MM_FAULT_WP;
	uffd_saw_again = false;
	uffd_poison_begin(b);
	atomic_fetch_add(&b->relief.serving, 1);
	out = uffd_fault(b, va, flags);
	atomic_fetch_sub(&b->relief.serving, 1);
	switch (out) {
	case MM_RESOLVED:
	case MM_WAIT:
		break;
	case MM_RETRY:
		retry(b, va);
		break;
	case MM_SIGBUS:
		uffd_poison_signal(b, va, (int)msg->arg.pagefault.feat.ptid);
		break;
	}
}

/*
 * Read and serve one message.  Return: false to try again soon.
 *
 * If the lock is taken, another handler reads the message that woke this one.
 * To read on its heels would only hold up the fault that is being served.
 */
static bool handle(struct uffd *b, int tries)
{
	struct uffd_msg msg;
	int ret;

	if (!sys_mutex_trylock(&b->event_lock)) {
		sys_mutex_lock(&b->event_lock);
		sys_mutex_unlock(&b->event_lock);
		return true;
	}
	ret = read_one(b, &msg, tries);
	sys_mutex_unlock(&b->event_lock);
	if (ret > 0)
		serve_event(b, &msg);
	return ret != -EBUSY;
}

/*
 * poll(2) takes no more descriptors than the process may open, which can be
 * none.  Then a handler looks from time to time.
 */
static void look_for_events(struct uffd *b)
{
	_Atomic uint32_t nobody = 0;

	handle(b, TRIES);
	sys_futex_wait(&nobody, 0, REST_NS);
}

void uffd_handler(struct uffd *b)
{
	struct pollfd fds[2] = {
		{ .fd = b->u, .events = POLLIN },
		{ .fd = b->stop_fd, .events = POLLIN },
	};
	int tries = 0;

	if (b->mm.client->serves)
		b->mm.client->serves(b->mm.client->priv);
	for (;;) {
		int ret = sys_poll(fds, 2, -1);

		if (atomic_load(&b->stopping))
			return;
		if (ret == -EINVAL)
			look_for_events(b);
		if (ret <= 0)
			continue;
		if (handle(b, tries)) {
			tries = 0;
		} else {
			tries++;
			if (tries > 1)
				sys_yield();
		}
	}
}

static void handler(void *arg)
{
	uffd_handler(arg);
}

int uffd_threads_start(struct uffd *b, unsigned nr)
{
	int ret;

	b->threads_len = (nr + UFFD_SPARES) * sizeof(*b->threads);
	b->threads = sys_alloc(b->threads_len);
	if (!b->threads)
		return -ENOMEM;
	while (b->nr_threads < nr) {
		int cpu =
			b->mm.is_inline ?
				-1 :
				sys_nth_cpu((int)b->nr_threads % sys_nr_cpus());

		ret = sys_thread_start(&b->threads[b->nr_threads], handler, b,
				       cpu, "uhmm-fault");
		if (ret) {
			uffd_threads_stop(b);
			return ret;
		}
		b->nr_threads++;
	}
	ret = b->mm.is_inline ? 0 : uffd_relief_start(b);
	if (ret)
		uffd_threads_stop(b);
	return ret;
}

void uffd_threads_stop(struct uffd *b)
{
	atomic_store(&b->stopping, true);
	sys_eventfd_set(b->stop_fd);
	uffd_relief_stop(b);
	while (b->nr_threads > 0)
		sys_thread_join(&b->threads[--b->nr_threads]);
	sys_free(b->threads, b->threads_len);
	b->threads = NULL;
}
