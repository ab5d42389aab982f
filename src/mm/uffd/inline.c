/* SPDX-License-Identifier: MIT */
/*
 * inline.c - inline mode: the faulting thread resolves its own fault.
 *
 * With UFFD_FEATURE_SIGBUS a touch of a missing or write-protected page raises
 * SIGBUS instead of a message.  One signal handler serves all contexts of the
 * process and passes on what is not theirs, see bus.c.  Only
 * async-signal-safe code runs in it.
 *
 * Asynchronous signals are blocked meanwhile, since their handlers could touch
 * the very block that is locked, or leave by longjmp(3); SIGBUS is not, since
 * the interrupted stack, on which we may run, can itself be managed.  One that
 * was sent waits until the fault is served.
 *
 * Events still come as messages, to one thread.  Between the moment an event
 * is read and the moment it is applied a fault must not be resolved from the
 * state before: so the handler waits while @seq is odd.
 *
 * DOC: Pages that were ours
 *
 * A SIGBUS says what was so when the page was touched.  Until the handler looks
 * the range may have been unregistered, its context closed, or something else
 * mapped there.  The right answer is then to make the access again.  Whether
 * that is so cannot be seen: a file that ends before its mapping raises the
 * same signal.  So an access to what is not ours is made again once, and again
 * whenever something was registered since: @changes counts that.  The second
 * SIGBUS for a page with the same count is the program's own.
 *
 * @changes is raised before and after whatever can make the kernel raise SIGBUS
 * for a page that did not before: before and after a registration, and before
 * an event is read and after it is applied.
 */
#include <errno.h>

#include "mm/uffd/bus.h"
#include "mm/uffd/object.h"
#include "sys/cpu.h"

enum {
	MAX_OPEN = 256,
	SPINS = 64,
	NAP_NS = 1000 * 1000,
};

/* @users: handlers that use @b; closing it waits for them */
struct bus_seat {
	_Atomic(struct uffd *) b;
	_Atomic uint32_t users;
};

static struct {
	struct sys_mutex lock; /* opening and closing */
	struct bus_seat open[MAX_OPEN];
	_Atomic int top;	  /* slots from here on have never been used */
	int nr;			  /* by lock */
	_Atomic uint32_t closing; /* not in @open any more, but registered */
	_Atomic uint32_t changes;
} bus;

static unsigned fault_flags(const void *context)
{
	struct sys_touch touch = sys_touch_of(context);

	return MM_FAULT_MAY_BLOCK | (touch.write ? MM_FAULT_WRITE : 0) |
	       (touch.write && touch.present ? MM_FAULT_WP : 0);
}

/* Let an event that has been read be applied. */
static void wait_for_event(const struct uffd *b)
{
	uint32_t seq = atomic_load(&b->seq);

	for (int spins = 0; seq & 1 && atomic_load(&b->seq) == seq; spins++)
		if (spins > SPINS)
			sys_yield();
}

static void leave_context(struct bus_seat *s)
{
	atomic_fetch_sub(&s->users, 1);
}

/* The context in @s; it stays until leave_context().  NULL: none. */
static struct uffd *enter_context(struct bus_seat *s)
{
	struct uffd *b = atomic_load(&s->b);

	if (!b)
		return NULL;
	atomic_fetch_add(&s->users, 1);
	/* Pairs with hide(): one sees the other. */
	if (atomic_load(&s->b) == b)
		return b;
	leave_context(s);
	return NULL;
}

/*
 * Of what is in a view the client knows all; a mark of protection where no page
 * is looks as one of poison does.
 */
static bool was_poisoned(struct uffd *b, uintptr_t addr)
{
	return !uffd_is_view(b, addr) && uffd_is_poisoned(b, addr);
}

/* Return: false when the program is to get the signal. */
static bool resolve(struct uffd *b, uintptr_t addr, unsigned flags)
{
	enum mm_outcome out;

	addr &= ~(MM_PAGE_SIZE - 1);
	uffd_saw_again = false;
	out = uffd_fault(b, addr, flags);
	if (out == MM_SIGBUS || (out == MM_RETRY && was_poisoned(b, addr)))
		return false;
	/* The event thread has something to read. */
	if (out != MM_RESOLVED && uffd_saw_again)
		sys_yield();
	return true;
}

/*
 * A mapping that mremap(2) made longer is registered to its end, and nothing
 * says so.  The kernel lets us put zeroes there, and nowhere else.  In the gate
 * no event is read: so nothing else is known to be there meanwhile.
 */
static bool zero_grown(struct uffd *b, uintptr_t va)
{
	bool ours = true;
	ssize_t ret;

	if (uffd_gate_pass(b))
		return true;
	if (!uffd_ranges_has(b, va) && !uffd_is_shared(b, va)) {
		ret = uffd_zeropage(b, va, MM_PAGE_SIZE);
		ours = ret > 0 || ret == -EEXIST || ret == -EAGAIN;
	}
	uffd_gate_passed(b);
	return ours;
}

static bool resolve_unknown(uintptr_t va)
{
	bool ours = false;

	for (int i = 0, top = atomic_load(&bus.top); i < top && !ours; i++) {
		struct bus_seat *s = &bus.open[i];
		struct uffd *b = enter_context(s);

		if (!b)
			continue;
		ours = zero_grown(b, va);
		leave_context(s);
	}
	return ours;
}

/*
 * @va is not tracked now.  May it have been tracked when it was touched?
 * @seen: bus.changes, read before the look-up
 */
static bool was_ours(uintptr_t va, uint32_t seen)
{
	static _Thread_local struct {
		uintptr_t va;
		uint32_t seen;
	} last;

	if (atomic_load(&bus.closing)) {
		sys_yield();
		return true;
	}
	if (atomic_load(&bus.changes) != seen)
		return true;
	if (last.va == va && last.seen == seen)
		return false;
	last.va = va;
	last.seen = seen;
	return true;
}

/* Return: false when the program is to get the signal. */
static bool serve_touch(uintptr_t addr, unsigned flags)
{
	uint32_t seen = atomic_load(&bus.changes);
	uintptr_t va = addr & ~(MM_PAGE_SIZE - 1);

	for (int i = 0, top = atomic_load(&bus.top); i < top; i++) {
		struct bus_seat *s = &bus.open[i];
		struct uffd *b = enter_context(s);
		bool has, ours = false;

		if (!b)
			continue;
		/*
		 * A range that mremap(2) has just moved is known once its event
		 * is applied.
		 */
		wait_for_event(b);
		has = uffd_ranges_has(b, addr);
		if (has)
			ours = resolve(b, addr, flags);
		leave_context(s);
		if (has)
			return ours;
	}
	return resolve_unknown(va) || was_ours(va, seen);
}

/*
 * A SIGBUS that another thread or process sent while this thread served a
 * fault.
 */
static _Thread_local struct {
	unsigned serving;
	bool has;
	siginfo_t info;
} sent;

static bool must_wait(const siginfo_t *info)
{
	if (!sent.serving || info->si_code > 0)
		return false;
	sent.info = *info;
	sent.has = true;
	return true;
}

static void pass_on_sent(int sig, void *context)
{
	siginfo_t info = sent.info;

	sent.has = false;
	uffd_bus_pass_on(sig, &info, context);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	/*
	 * A process made by a bare clone(2) has the descriptors, but other
	 * memory.
	 */
	bool may_be = info->si_code == BUS_ADRERR && sys_is_marked_process();
	bool ours = false;
	int cancel;

	if (must_wait(info))
		return;
	if (may_be)
		debug_holds_none(RANK_NONE, RANK_DEVICE, "a touch of memory");
	cancel = sys_cancel_block();
	sent.serving++;
	if (may_be)
		ours = serve_touch((uintptr_t)info->si_addr,
				   fault_flags(context));
	sent.serving--;
	errno = saved;
	sys_cancel_restore(cancel);
	if (!ours)
		uffd_bus_pass_on(sig, info, context);
	if (sent.has && !sent.serving)
		pass_on_sent(sig, context);
}

void uffd_inline_changed(const struct uffd *b)
{
	if (b->mm.is_inline)
		atomic_fetch_add(&bus.changes, 1);
}

static int add_context(struct uffd *b)
{
	for (int i = 0; i < MAX_OPEN; i++) {
		if (atomic_load(&bus.open[i].b))
			continue;
		atomic_store(&bus.open[i].b, b);
		if (i >= atomic_load(&bus.top))
			atomic_store(&bus.top, i + 1);
		return 0;
	}
	return -EMFILE;
}

static struct bus_seat *seat_of(const struct uffd *b)
{
	for (int i = 0, top = atomic_load(&bus.top); i < top; i++)
		if (atomic_load(&bus.open[i].b) == b)
			return &bus.open[i];
	return NULL;
}

/* Nobody looks at the context any more. */
static void hide(struct bus_seat *s)
{
	uint32_t users;

	atomic_store(&s->b, NULL);
	while ((users = atomic_load(&s->users)))
		sys_futex_wait(&s->users, users, NAP_NS);
}

int uffd_inline_open(struct uffd *b)
{
	int ret;

	sys_mutex_lock(&bus.lock);
	ret = add_context(b);
	if (!ret && bus.nr == 0) {
		ret = uffd_bus_install(on_sigbus);
		if (ret)
			hide(seat_of(b));
	}
	if (!ret)
		bus.nr++;
	sys_mutex_unlock(&bus.lock);
	return ret;
}

/* Closing the descriptor is what ends the registrations. */
void uffd_inline_close(struct uffd *b)
{
	struct bus_seat *s;

	sys_mutex_lock(&bus.lock);
	s = seat_of(b);
	if (s) {
		atomic_fetch_add(&bus.closing, 1);
		hide(s);
		sys_close(b->u);
		b->u = -1;
		atomic_fetch_add(&bus.changes, 1);
		atomic_fetch_sub(&bus.closing, 1);
		if (--bus.nr == 0)
			uffd_bus_restore(on_sigbus, atomic_load(&b->dead));
	}
	sys_mutex_unlock(&bus.lock);
}

/* No thread that had the lock, or used the context, lives here. */
void uffd_inline_child(struct uffd *b)
{
	struct bus_seat *s = seat_of(b);

	sys_mutex_reset(&bus.lock);
	atomic_store(&bus.closing, 0);
	if (s)
		atomic_store(&s->users, 0);
	uffd_inline_close(b);
}
