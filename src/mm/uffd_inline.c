/* SPDX-License-Identifier: MIT */
/*
 * uffd_inline.c - inline mode: the faulting thread resolves its own fault.
 *
 * With UFFD_FEATURE_SIGBUS a touch of a missing or write-protected page raises
 * SIGBUS instead of a message.  One signal handler serves all contexts of the
 * process and passes on what is not theirs.  Only async-signal-safe code runs
 * in it.
 *
 * Asynchronous signals are blocked meanwhile, since their handlers could touch
 * the very block that is locked; SIGBUS is not, since the interrupted stack,
 * on which we may run, can itself be managed.
 *
 * Events still come as messages, to one thread.  Between the moment an event
 * is read and the moment it is applied a fault must not be resolved from the
 * state before: so the handler waits while @seq is odd.
 */
#include <errno.h>
#include <ucontext.h>

#include "mm/uffd.h"

enum {
	MAX_OPEN = 16,
	SPINS = 64
};

static struct {
	struct sys_mutex lock;
	_Atomic(struct uffd *) open[MAX_OPEN];
	_Atomic int nr;
	struct sigaction old;
} bus;

static unsigned fault_flags(const void *context)
{
#if defined(__x86_64__)
	const ucontext_t *uc = context;
	unsigned long err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];
	bool present = err & 1, write = err & 2;

	return MM_FAULT_MAY_BLOCK | (write ? MM_FAULT_WRITE : 0) |
	       (write && present ? MM_FAULT_WP : 0);
#else
	/* A page that is there is found out by the client. */
	return MM_FAULT_MAY_BLOCK | MM_FAULT_WRITE;
#endif
}

/* Let an event that has been read be applied. */
static void wait_for_event(const struct uffd *b)
{
	uint32_t seq = atomic_load(&b->seq);

	for (int spins = 0; seq & 1 && atomic_load(&b->seq) == seq; spins++)
		if (spins > SPINS)
			sys_yield();
}

/* A range that has just been remapped is known once its event is applied. */
static struct uffd *owner_of(uintptr_t addr)
{
	for (int i = 0; i < MAX_OPEN; i++) {
		struct uffd *b = atomic_load(&bus.open[i]);

		if (!b)
			continue;
		wait_for_event(b);
		if (uffd_ranges_has(b, addr))
			return b;
	}
	return NULL;
}

/* Return: false when the program is to get the signal. */
static bool resolve(struct uffd *b, uintptr_t addr, unsigned flags)
{
	const struct mm_client *c = b->mm.client;
	enum mm_outcome out;

	addr &= ~(MM_PAGE_SIZE - 1);
	uffd_saw_again = false;
	out = c->fault(c->priv, addr, flags);
	if (out == MM_SIGBUS || (out == MM_RETRY && uffd_is_poisoned(b, addr)))
		return false;
	/* The event thread has something to read. */
	if (out != MM_RESOLVED && uffd_saw_again)
		sys_yield();
	return true;
}

/*
 * A mapping that mremap(2) made longer is registered to its end, and nothing
 * says so.  The kernel lets us put zeroes there, and nowhere else.
 */
static bool resolve_unknown(uintptr_t addr)
{
	addr &= ~(MM_PAGE_SIZE - 1);
	for (int i = 0; i < MAX_OPEN; i++) {
		struct uffd *b = atomic_load(&bus.open[i]);
		ssize_t ret;

		if (!b)
			continue;
		ret = uffd_zeropage(b, addr, MM_PAGE_SIZE);
		if (ret > 0 || ret == -EEXIST || ret == -EAGAIN)
			return true;
	}
	return false;
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *old = &bus.old;

	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(sig, info, context);
	} else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
		/* The instruction faults again, and the kernel ends it. */
		struct sigaction dfl = { .sa_handler = SIG_DFL };

		sys_sigaction(SIGBUS, &dfl, NULL);
		/* One that was sent is not sent again by itself. */
		if (info->si_code <= 0)
			sys_tgkill(sys_gettid(), SIGBUS);
	} else {
		old->sa_handler(sig);
	}
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	int saved = errno;
	/* What a bare clone(2) made has our descriptors, but other memory. */
	bool may_be = info->si_code == BUS_ADRERR && sys_is_marked_process();
	struct uffd *b = NULL;
	bool ours;

	if (may_be)
		b = owner_of(addr);
	if (b)
		ours = resolve(b, addr, fault_flags(context));
	else
		ours = may_be && resolve_unknown(addr);
	errno = saved;
	if (!ours)
		pass_on(sig, info, context);
}

static int install(void)
{
	struct sigaction act = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
	};

	sigfillset(&act.sa_mask);
	sigdelset(&act.sa_mask, SIGBUS);
	sigdelset(&act.sa_mask, SIGSEGV);
	sigdelset(&act.sa_mask, SIGILL);
	sigdelset(&act.sa_mask, SIGFPE);
	sigdelset(&act.sa_mask, SIGTRAP);
	sigdelset(&act.sa_mask, SIGSYS);
	sigdelset(&act.sa_mask, SIGABRT);
	return sys_sigaction(SIGBUS, &act, &bus.old);
}

/* Unless the program has installed one of its own since. */
static void restore(void)
{
	struct sigaction now;

	if (!sys_sigaction(SIGBUS, NULL, &now) && now.sa_flags & SA_SIGINFO &&
	    now.sa_sigaction == on_sigbus)
		sys_sigaction(SIGBUS, &bus.old, NULL);
}

static int add(struct uffd *b)
{
	for (int i = 0; i < MAX_OPEN; i++) {
		struct uffd *none = NULL;

		if (atomic_compare_exchange_strong(&bus.open[i], &none, b))
			return 0;
	}
	return -ENOSPC;
}

static bool del(struct uffd *b)
{
	for (int i = 0; i < MAX_OPEN; i++) {
		struct uffd *one = b;

		if (atomic_compare_exchange_strong(&bus.open[i], &one, NULL))
			return true;
	}
	return false;
}

int uffd_inline_open(struct uffd *b)
{
	int ret;

	sys_mutex_lock(&bus.lock);
	ret = add(b);
	if (!ret && bus.nr == 0) {
		ret = install();
		if (ret)
			del(b);
	}
	if (!ret)
		bus.nr++;
	sys_mutex_unlock(&bus.lock);
	return ret;
}

void uffd_inline_close(struct uffd *b)
{
	sys_mutex_lock(&bus.lock);
	if (del(b) && --bus.nr == 0)
		restore();
	sys_mutex_unlock(&bus.lock);
}

/* The lock may have been held by a thread that does not live here. */
void uffd_inline_child(struct uffd *b)
{
	atomic_store(&bus.lock.word, 0);
	uffd_inline_close(b);
}
